"""Names for people who do not exist."""

from __future__ import annotations

# fmt: off
_ONSETS = [
    "Al", "Bel", "Cor", "Dar", "El", "Fen", "Gar", "Hal", "Is", "Jor", "Kel", "Lor", "Mar", "Nor", "Ol",
    "Per", "Quin", "Ros", "Sel", "Tor", "Ul", "Val", "Wil", "Xen", "Yor", "Zel",
]
_ENDINGS = [
    "a", "an", "ara", "e", "ena", "eth", "ia", "ian", "ic", "ila", "in", "ine", "is", "o", "on", "or",
    "us", "yn",
]
_STEMS = [
    "Ash", "Bren", "Cald", "Dorn", "Eck", "Falk", "Grim", "Hart", "Ing", "Jas", "Kest", "Lind", "Morv",
    "Nev", "Ost", "Pell", "Rav", "Stell", "Thorn", "Varn", "Wend", "Zim",
]
_SUFFIXES = [
    "ac", "all", "am", "ard", "ay", "ek", "en", "er", "ess", "ett", "ford", "ham", "iak", "ini", "ley",
    "man", "mont", "off", "ova", "ski", "son", "stad", "stone", "ton", "well", "wick",
]
# fmt: on

_FIRST = [onset + ending for onset in _ONSETS for ending in _ENDINGS]
_LAST = [stem + suffix for stem in _STEMS for suffix in _SUFFIXES]
_STRIDE = 1_000_003  # coprime to the number of names, so that neighbours in number are far apart in name


def name_of(number: int) -> str:
    """`Name_Surname` of person `number` (0 or more); distinct numbers have distinct names.

    Beyond the first 267,696 people, names have a middle part.
    """
    generation, rest = divmod(number, len(_FIRST) * len(_LAST))
    last, first = divmod(rest * _STRIDE % (len(_FIRST) * len(_LAST)), len(_FIRST))
    middle: list[str] = []
    while generation:
        generation, part = divmod(generation - 1, len(_FIRST))
        middle.append(_FIRST[part])
    return "_".join([_FIRST[first], *middle, _LAST[last]])
