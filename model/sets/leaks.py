"""Leaks between two parts of a set, or of two sets: shared pictures and shared texts.

A model that was trained on one part knows what it shares with the other, so that what it is measured to know there is
too much. Names are compared as the set has them, relative to the images folder.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from model.sets.pictures import Picture, near_pairs

# From sure to likely: two images that are the same in several ways are told by the first of them.
WAYS = ("name", "bytes", "pixels", "near")


@dataclass(frozen=True, slots=True)
class Item:
    """A question with its answer, or a report. `text`: the words that are compared; `images`: by name."""

    id: str
    text: str
    images: tuple[str, ...]


@dataclass(frozen=True)
class SetPart:
    """A part under its name. `pictures`: by image name; None for an image that is missing."""

    name: str
    items: tuple[Item, ...]
    pictures: Mapping[str, Picture | None]


@dataclass(frozen=True, slots=True)
class SharedImage:
    """`image` of one part is `other` of the other part, found in this `way` of `WAYS`."""

    image: str
    other: str
    way: str


@dataclass(frozen=True)
class Leak:
    """What is shared by the parts `one` and `other`.

    `images`: each pair once. `touched`: ids of the items of `other` that have an image which `one` has too. `texts`:
    pairs of ids whose words are the same, `one`'s first; each of `other` once. `repeated`: those ids of `other` whose
    words are the same about the same image.
    """

    one: str
    other: str
    images: tuple[SharedImage, ...]
    touched: tuple[str, ...]
    texts: tuple[tuple[str, str], ...]
    repeated: tuple[str, ...]

    def __bool__(self) -> bool:
        """Whether an image is shared: the same short question and answer about two images is no leak."""
        return bool(self.images)

    def shared(self) -> int:
        """How many images of `other` are in `one` too."""
        return len({pair.other for pair in self.images})


def leaks_within(parts: Sequence[SetPart]) -> tuple[Leak, ...]:
    """Between every two parts, the earlier one first."""
    return tuple(leak_between(one, other) for one, other in combinations(parts, 2))


def leaks_against(parts: Sequence[SetPart], others: Sequence[SetPart]) -> tuple[Leak, ...]:
    return tuple(leak_between(one, other) for one in parts for other in others)


def leak_between(one: SetPart, other: SetPart) -> Leak:
    images = tuple(_shared_images(one.pictures, other.pictures))
    twins: defaultdict[str, set[str]] = defaultdict(set)
    for pair in images:
        twins[pair.other].add(pair.image)
    touched = tuple(item.id for item in other.items if any(image in twins for image in item.images))
    said: defaultdict[str, list[Item]] = defaultdict(list)
    for item in one.items:
        if words := _words(item.text):
            said[words].append(item)
    texts, repeated = [], []
    for item in other.items:
        same = said.get(_words(item.text), [])
        here = {twin for image in item.images for twin in twins.get(image, ())}
        about = next((each for each in same if here.intersection(each.images)), None)
        if same:
            texts.append(((about or same[0]).id, item.id))
        if about:
            repeated.append(item.id)
    return Leak(one.name, other.name, images, touched, tuple(texts), tuple(repeated))


def _words(text: str) -> str:
    return " ".join(text.casefold().split())


def _shared_images(ones: Mapping[str, Picture | None], others: Mapping[str, Picture | None]) -> Iterator[SharedImage]:
    """Each pair once, in its surest way."""
    way_of: dict[tuple[str, str], str] = {(image, image): "name" for image in others if image in ones}
    marks: dict[str, Callable[[Picture], str | None]] = {
        "bytes": lambda picture: picture.file,
        "pixels": lambda picture: picture.pixels,
    }
    for way, mark_of in marks.items():
        known: defaultdict[str, list[str]] = defaultdict(list)
        for image, picture in ones.items():
            if picture is not None and (mark := mark_of(picture)):
                known[mark].append(image)
        for image, picture in others.items():
            if picture is not None and (mark := mark_of(picture)):
                for twin in known.get(mark, ()):
                    way_of.setdefault((twin, image), way)
    first, second = _hashed(ones), _hashed(others)
    for one, other in near_pairs([mark for _, mark in first], [mark for _, mark in second]):
        way_of.setdefault((first[one][0], second[other][0]), "near")
    for (image, other_image), way in sorted(way_of.items(), key=lambda found: (WAYS.index(found[1]), found[0])):
        yield SharedImage(image, other_image, way)


def _hashed(pictures: Mapping[str, Picture | None]) -> list[tuple[str, bytes]]:
    return [(image, picture.hash) for image, picture in pictures.items() if picture is not None and picture.hash]
