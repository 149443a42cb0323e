"""How the model generates."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GenerationConfig:
    """How the model generates; `None` leaves a field to what it overrides, in the end to the provider."""

    model: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    top_p: float | None = None

    def overridden_by(self, other: "GenerationConfig") -> "GenerationConfig":
        """This configuration with every field that `other` gives replaced."""
        return GenerationConfig(
            model=self.model if other.model is None else other.model,
            temperature=self.temperature if other.temperature is None else other.temperature,
            max_tokens=self.max_tokens if other.max_tokens is None else other.max_tokens,
            top_p=self.top_p if other.top_p is None else other.top_p,
        )
