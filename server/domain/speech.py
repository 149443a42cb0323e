"""How far a text was spoken. Pure.

What comes back from speech is the text with other white space, and perhaps without what nobody pronounces. So letters
and digits are compared, one by one, and everything else belongs to what stands before it.
"""


def spoken_length(written: str, spoken: str) -> int:
    """How many characters at the beginning of `written` were spoken, as far as `spoken` agrees with it: up to the last
    letter or digit that was, with the marks behind it; all of them, when nothing behind it can be pronounced."""
    said = [each for character in spoken for each in _pronounced(character)]
    place = length = 0
    for at, character in enumerate(written):
        pronounced = _pronounced(character)
        if not pronounced:
            continue
        if said[place : place + len(pronounced)] != pronounced:
            return length + (_marks_behind(written[length:], spoken) if place == len(said) else 0)
        place += len(pronounced)
        length = at + 1
    return len(written)


def _pronounced(character: str) -> list[str]:
    """The letters and digits of a character, however they are written."""
    return [each for each in character.casefold() if each.isalnum()]


def _marks_behind(rest: str, spoken: str) -> int:
    """How many characters of the `rest` of a text are the marks that `spoken` ends with."""
    marks = 0
    while marks < len(spoken) and not spoken[-1 - marks].isalnum():
        marks += 1
    tail = "".join(spoken[len(spoken) - marks :].split())
    behind = 0
    while behind < min(len(rest), len(tail)) and rest[behind] == tail[behind]:
        behind += 1
    return behind


def shares(lengths: list[int], spoken: int) -> list[int]:
    """How many characters of each of some texts were spoken, when of all of them joined it were so many."""
    left, found = spoken, []
    for length in lengths:
        found.append(min(length, left))
        left -= found[-1]
    return found
