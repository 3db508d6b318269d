"""Digits, numbers and spelled words, as people say them."""

from __future__ import annotations

import numpy as np

_DIGITS = ("oh", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_TEENS = (
    "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen",
    "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")

DIGIT_WORDS = frozenset({*_DIGITS, "zero", "double", "triple"})
"""Words that digits are said with."""

_EXAMPLES = {
    "a": "apple", "b": "boy", "c": "Charlie", "d": "David", "e": "Edward", "f": "Frank",
    "g": "George", "h": "Henry", "i": "island", "j": "John", "k": "king", "l": "Larry",
    "m": "Mary", "n": "Nancy", "o": "Oscar", "p": "Peter", "q": "queen", "r": "Robert",
    "s": "Sam", "t": "Tom", "u": "umbrella", "v": "Victor", "w": "William", "x": "x-ray",
    "y": "yellow", "z": "zebra",
}  # fmt: skip


def say_digits(count: int, rng: np.random.Generator) -> str:
    """Draw `count` digits; one in ten of those that repeat is said as "double ..."."""
    zero = "oh" if rng.random() < 0.6 else "zero"
    values = [int(rng.random() * 10) for _ in range(count)]
    words: list[str] = []
    i = 0
    while i < count:
        word = zero if values[i] == 0 else _DIGITS[values[i]]
        if i + 1 < count and values[i] == values[i + 1] and rng.random() < 0.4:
            words += ["double", word]
            i += 2
        else:
            words.append(word)
            i += 1
    return " ".join(words)


def say_groups(sizes: str, rng: np.random.Generator) -> str:
    """Draw digits in groups; ``"3,3,4"`` gives three, with a group mark between them."""
    return " + ".join(say_digits(int(size), rng) for size in sizes.split(","))


def say_number(value: int) -> str:
    """Whole number in words, 0 .. 999,999, as Americans say it.

    Examples
    --------
    >>> say_number(342)
    'three hundred forty two'
    """
    if value < 10:
        return "zero" if value == 0 else _DIGITS[value]
    if value < 20:
        return _TEENS[value - 10]
    if value < 100:
        tens, ones = divmod(value, 10)
        return _TENS[tens] + (f" {_DIGITS[ones]}" if ones else "")
    unit, name = (100, "hundred") if value < 1000 else (1000, "thousand")
    high, low = divmod(value, unit)
    return f"{say_number(high)} {name}" + (f" {say_number(low)}" if low else "")


def say_house(value: int) -> str:
    """House number: 342 is "three forty two", 1205 is "twelve oh five"."""
    if value < 100 or value % 100 == 0:
        return say_number(value)
    high, low = divmod(value, 100)
    return f"{say_number(high)} {'oh ' + _DIGITS[low] if low < 10 else say_number(low)}"


def spell(word: str, rng: np.random.Generator) -> str:
    """Spell a word: letters, some with an example, with group marks between some.

    Examples
    --------
    "Smith" may become ``"S as in Sam + M I + T H"``.
    """
    explains = 0.0 if rng.random() < 0.5 else 0.35
    letters = [each for each in word.lower() if each in _EXAMPLES]
    parts: list[str] = []
    run = 0
    for i, letter in enumerate(letters):
        explained = rng.random() < explains
        parts.append(f"{letter.upper()} as in {_EXAMPLES[letter]}" if explained else letter.upper())
        run += 1
        last = i == len(letters) - 1
        if not last and (explained or run >= 3 or rng.random() < 0.25):
            parts.append("+")
            run = 0
    return " ".join(parts)
