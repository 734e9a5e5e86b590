"""Puts a report together: which sections it has, under which headings, and where each sentence stands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from model.synthetic.cases import Case
from model.synthetic.grammar.hand import Statement
from model.synthetic.grammar.impression import ImpressionWriter
from model.synthetic.phrases import HEADINGS

# Words in a report, headings included. Of a child with pneumonia little else is known, and there is less to say.
LEAST_WORDS = 25
LEAST_WORDS_CHILD = 10
MOST_WORDS = 115


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a report: `text[start:end]`, its number in a numbered impression included.

    `keys`: what it speaks about, sides included ('effusion_right', 'cardiomegaly', 'bones'). `section`: 'findings',
    'impression', 'examination', 'indication' or 'comparison'. `only_text`: it states something that no picture shows,
    one of the case's `others` (under its key) or its change ('change').
    """

    start: int
    end: int
    keys: tuple[str, ...]
    section: str
    only_text: bool = False


@dataclass(frozen=True, slots=True)
class WrittenReport:
    """A report's text and its sentences in order; between them stand headings and white space."""

    text: str
    sentences: tuple[Sentence, ...]


@dataclass(frozen=True, slots=True)
class _Section:
    name: str
    heading: str
    statements: list[Statement] = field(default_factory=list)
    numbered: bool = False


def write_report(case: Case, random: Random) -> WrittenReport:
    """A report of the case; the same case and state of `random` give the same report."""
    least = LEAST_WORDS_CHILD if case.paediatric and case.unplaced else LEAST_WORDS
    while True:
        report = Writer(case, random).write()
        if report is not None and least <= len(report.text.split()) <= MOST_WORDS:
            return report


def _only_text(keys: Sequence[str]) -> bool:
    return any(key == "change" or key.startswith("other_") for key in keys)


class Writer(ImpressionWriter):
    """Writes one report."""

    def write(self) -> WrittenReport | None:
        """The report; None where a sentence came out twice, or where nothing says what has changed."""
        sections = self.sections()
        seen: set[str] = set()
        for section in sections:
            for statement in section.statements:
                sentence = statement.text.lower()
                if sentence in seen:
                    return None
                seen.add(sentence)
        if self.compared and not any("change" in s.keys for section in sections for s in section.statements):
            return None
        return self.assembled(sections)

    def sections(self) -> list[_Section]:
        findings, impression = self.findings, self.impression
        self.vessels_said = False
        self.was_specific = False
        self.shown = 0
        spelled: Callable[[str], str] = self.random.choices((str.upper, str, str.lower), (0.58, 0.4, 0.02))[0]
        name: Callable[[str], str] = lambda heading: spelled(self.say(HEADINGS[heading]))  # noqa: E731
        after = self.random.choice((":\n", ":\n", ":\n", ":\n", ": ", ": ", ": ", "\n"))
        form = self.random.random()
        self.has_preamble = form < 0.87 and self.chance(0.18)
        numbered = self.chance(0.45)
        if form < 0.76:
            body = [
                _Section("findings", name("findings") + after, findings()),
                _Section("impression", name("impression") + after, impression(), numbered),
            ]
        elif form < 0.82:
            body = [_Section("findings", name("findings") + after, findings())]
        elif form < 0.87:
            body = [_Section("impression", name("impression") + after, impression(whole=True), numbered)]
        elif form < 0.93:
            body = [
                _Section("findings", "", findings()),
                _Section("impression", name("impression") + after, impression()),
            ]
        elif form < 0.97:
            body = [_Section("findings", "", findings()), _Section("impression", "", impression())]
        else:
            body = [_Section("findings", "", findings())]
        return self.preamble(name, after) + body if self.has_preamble else body

    def preamble(self, name: Callable[[str], str], after: str) -> list[_Section]:
        examination = self.examination()
        sections = [_Section("examination", name("examination") + after, [examination])]
        if self.case.indication and self.chance(0.7):
            indication = Statement(self.case.indication, ("indication",))
            sections.append(_Section("indication", name("indication") + after, [indication]))
        if self.compared or self.chance(0.4):
            prior = (
                "[prior [chest radiograph|radiograph|study|exam|examination|chest radiographs]|previous [exam"
                "|examination|chest radiograph|study|chest radiographs]|[chest radiograph|radiograph] from a prior "
                "date|comparison is made to [a|the] prior [study|exam|chest radiograph]]"
            )
            none = "[none|none available|no prior studies|no comparison available|no prior radiographs available]"
            comparison = Statement(self.say(prior if self.compared else none), ("comparison",))
            sections.append(_Section("comparison", name("comparison") + after, [comparison]))
        return sections

    def examination(self) -> Statement:
        view = self.case.view
        if view is None and self.chance(0.3):
            text = self.say(
                "[frontal and lateral [chest radiographs|radiographs of the chest|views of the chest]"
                "|two views of the chest|chest, two views|chest x-ray, frontal and lateral]"
            )
            return Statement(text, ("view", "other_lateral"))
        if self.case.paediatric and self.case.age is not None and self.chance(0.3):
            age = f"{self.case.age}-year-old"
            text = self.say("chest radiograph of a~ <age> [child|<child>]", age=age, child=self.patient("child"))
            return Statement(text, ("view",))
        if view is None:
            return Statement(self.say("[chest radiograph|chest, one view|frontal chest radiograph]"), ("view",))
        pattern = (
            "[<view> chest radiograph|chest radiograph, <view> view|chest, single <view> view|frontal chest radiograph"
            "|<view> view of the chest|<view> radiograph of the chest|single <view> view of the chest|chest <view>]"
        )
        return Statement(self.say(pattern, view=view), ("view",))

    def assembled(self, sections: list[_Section]) -> WrittenReport:
        between = "\n\n" if self.chance(0.6) else "\n"
        lines = self.chance(0.5)
        text = ""
        sentences: list[Sentence] = []
        for section in sections:
            if text:
                text += between
            text += section.heading
            numbered = section.numbered and len(section.statements) > 1
            for number, statement in enumerate(section.statements, start=1):
                if number > 1:
                    text += "\n" if numbered and lines and section.heading.endswith("\n") else " "
                start = len(text)
                text += f"{number}. " if numbered else ""
                text += statement.text[0].upper() + statement.text[1:] + "."
                sentences.append(Sentence(start, len(text), statement.keys, section.name, _only_text(statement.keys)))
        return WrittenReport(text, tuple(sentences))
