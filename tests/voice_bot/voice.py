"""A voice that is synthesized from nothing, human enough for a model that finds speech in audio: vowels that glide into
each other, by pulses through three resonances."""

import math
import random
from array import array
from typing import Final

RATE: Final = 16_000
_VOWELS: Final = {
    "a": (730, 1090, 2440),
    "e": (530, 1840, 2480),
    "i": (270, 2290, 3010),
    "o": (570, 840, 2410),
    "u": (300, 870, 2240),
}
"""Formants in Hz."""
_WIDTHS: Final = (100, 150, 250)
_VOWEL_SECONDS: Final = 0.15
_PITCH: Final = 100.0
_LOUDEST: Final = 20_000


def voiced(vowels: str, *, seed: int = 98) -> bytes:
    """The vowels, 16 kHz and 16 bit."""
    chance = random.Random(seed)
    count = int(_VOWEL_SECONDS * RATE)
    state = [[0.0, 0.0] for _ in _WIDTHS]
    samples: list[float] = []
    phase = last = 0.0
    before = _VOWELS[vowels[0]]
    for vowel in vowels:
        for index in range(count):
            glide = min(1.0, index / (0.4 * count))
            formants = [old + (new - old) * glide for old, new in zip(before, _VOWELS[vowel], strict=True)]
            melody = 1 + 0.15 * math.sin(2 * math.pi * 1.1 * len(samples) / RATE) + 0.01 * chance.gauss(0, 1)
            phase = (phase + _PITCH * melody / RATE) % 1.0
            pulse = 3 * phase**2 - 2.4 * phase**3 if phase < 0.6 else 0.0
            sample, last = pulse - last + 0.003 * chance.gauss(0, 1), pulse
            samples.append(_resonate(sample, formants, state) * math.sqrt(math.sin(math.pi * (index + 0.5) / count)))
        before = _VOWELS[vowel]
    loudest = max(map(abs, samples))
    return array("h", (int(sample / loudest * _LOUDEST) for sample in samples)).tobytes()


def silent(seconds: float) -> bytes:
    """Nothing, in the same form."""
    return bytes(2 * int(seconds * RATE))


def _resonate(sample: float, formants: list[float], state: list[list[float]]) -> float:
    for formant, width, memory in zip(formants, _WIDTHS, state, strict=True):
        damping = math.exp(-math.pi * width / RATE)
        sample = (
            sample * (1 - damping)
            + 2 * damping * math.cos(2 * math.pi * formant / RATE) * memory[0]
            - damping * damping * memory[1]
        )
        memory[1], memory[0] = memory[0], sample
    return sample
