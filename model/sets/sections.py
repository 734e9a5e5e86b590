"""The sections of a report in plain text, as the code of MIMIC-CXR (Johnson et al., Sci Data 2019) cuts them.

A heading in capitals with a colon at the beginning of a line opens a section, whatever it says. Its name is brought to
one of few; a title such as 'CHEST, TWO VIEWS' means findings. Of several sections of a name the last that is not empty
counts. Without findings and impression, what follows the first blank line of the last section stands for findings. That
code's table of some sixty reports that its authors cut by hand is not here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_HEADING = re.compile(r"^[ \t]*([A-Z][A-Z ()/,-]*):(?=\s|\Z)", re.MULTILINE)
_BLANK_LINE = re.compile(r"\n[ \t]*\n")
_INDICATIONS = ("indication", "reason for exam")
_HISTORIES = ("history", "clinical information")
# Headings that name what was done instead of what was seen.
_VIEWS = re.compile(
    r"\b(chest|portable|ribs|bone window|(one|two|frontal|pa|ap|lateral) views?|frontal (and|upright|semi-upright)|"
    r"(pa|ap) and lat(eral)?|lateral and (pa|ap))\b"
)


@dataclass(frozen=True, slots=True)
class Sections:
    """'' for what the report does not have. Line breaks and repeated blanks are one blank."""

    findings: str
    impression: str
    indication: str

    def text(self) -> str:
        """Laid out as drafts are: each section under its heading, a blank line between them."""
        held = (("FINDINGS", self.findings), ("IMPRESSION", self.impression))
        return "\n\n".join(f"{heading}:\n{words}" for heading, words in held if words)


def sections_of(text: str) -> Sections:
    cut = list(_cut(text.replace("\r\n", "\n")))
    named = {name: words for name, body in cut if (words := " ".join(body.split()))}
    findings, impression = named.get("findings", ""), named.get("impression", "")
    if not findings and not impression:
        last = cut[-1][1]
        paragraphs = _BLANK_LINE.split(last.strip(), maxsplit=1)
        whole = len(cut) == 1
        findings = " ".join((last if whole else paragraphs[1] if len(paragraphs) > 1 else "").split())
    return Sections(findings, impression, named.get("indication") or named.get("history", ""))


def _cut(text: str) -> Iterator[tuple[str, str]]:
    """The sections by name, in order; the first, without a heading, is the preamble."""
    found = list(_HEADING.finditer(text))
    yield "preamble", text[: found[0].start()] if found else text
    for number, heading in enumerate(found):
        end = found[number + 1].start() if number + 1 < len(found) else len(text)
        yield _name(heading.group(1).strip().lower()), text[heading.end() : end]


def _name(heading: str) -> str:
    # Slips such as 'impresson' and 'findins' are frequent; the beginnings are enough to tell.
    if "impression" in heading or "conclusion" in heading or re.match(r"(imp|imo|mp)[a-z]*s", heading):
        return "impression"
    if "finding" in heading or re.match(r"(find|finid)[a-z]*s\b", heading):
        return "findings"
    if any(each in heading for each in _INDICATIONS):
        return "indication"
    if any(each in heading for each in _HISTORIES):
        return "history"
    if heading.startswith(("compar", "reference", "exam", "type of exam", "technique", "addendum")):
        return heading
    return "findings" if _VIEWS.search(heading) else heading
