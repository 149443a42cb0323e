"""What a bench reports: ratios within one run, each beside its bar. It measures nothing and prints nothing."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Figure:
    """One comparison. A larger ratio is better for us wherever there is a bar."""

    name: str
    ratio: float
    bar: float | None = None
    """The smallest ratio that the project promises; `None`: for orientation only."""
    detail: str = ""
    """The two measured values behind the ratio, with their units."""

    @property
    def is_met(self) -> bool | None:
        """Whether the bar is reached; `None` without one."""
        return None if self.bar is None else self.ratio >= self.bar


@dataclass(frozen=True, slots=True)
class Report:
    """The table of one bench."""

    title: str
    figures: list[Figure]
    notes: list[str] = field(default_factory=list)
    """What the figures do not say: what was left out and why, what the ratio is of."""
