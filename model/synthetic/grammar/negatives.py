"""What is not there. A finding is denied only where the case holds it absent, and only once."""

from __future__ import annotations

import re

from model.synthetic.cases import SIDES
from model.synthetic.grammar.change import ChangeWriter
from model.synthetic.grammar.hand import LUNG_OTHERS, MEDIASTINAL_OTHERS, NODULAR_OTHERS, VOLUME_OTHERS, Statement
from model.synthetic.grammar.patterns import joined
from model.synthetic.phrases import NO_CONSOLIDATION, NO_NODULES, NO_OPACITIES, NO_OPACITY

_PLURALS = re.compile(r"(?:effusions|pneumothoraces|opacities|infiltrates|consolidations|areas of consolidation)$")


class NegativesWriter(ChangeWriter):
    """Clear lungs, and the findings denied one by one or in a list."""

    def negatives(self) -> list[Statement]:
        """What is not there, each thing denied once."""
        statements: list[Statement] = []
        absent: list[str] = []
        if self.no_opacity():
            absent.append("opacity")
        if self.all_absent("effusion"):
            absent.append("effusion")
        if self.all_absent("pneumothorax"):
            absent.append("pneumothorax")
        if self.lungs_clear():
            plain = self.plainly_clear()
            if self.chance(0.4):
                denied = absent if self.chance(0.5) else ["opacity"]
                if len(absent) == 3 and self.chance(0.2):
                    denied = ["opacity", "effusion"]
                pattern = (
                    "[<the> [lungs|lungs|both lungs|lung fields] <are> [|grossly |]clear [without|with no|and without] "
                    "["
                    "evidence of |]|<the> lungs <are> clear bilaterally without |<the> lungs <are> well [expanded|"
                    "inflated|aerated] and clear without |<the> lungs <are> normally inflated [without|with no] |<the> "
                    "lungs <are> [clear|free] of |<the> lungs are clear, and without ]<list>"
                    if plain
                    else "[<the> lungs are [otherwise clear without|free of|clear of] |<the> lungs are without ]<list>"
                )
                text = self.inflated(self.say(pattern, list=self.denied(denied)))
                statements.append(Statement(text, self.denied_keys(denied)))
                absent = [finding for finding in absent if finding not in denied]
            elif plain and self.case.change == "unchanged" and self.chance(0.2):
                text = self.say("<the> [lungs|lungs|both lungs] remain [clear|clear|grossly clear|clear bilaterally]")
                statements.append(Statement(text, ("lungs", "change")))
                absent.remove("opacity")
            elif self.chance(0.85):
                statements.append(Statement(self.clear(), ("lungs",)))
                if self.chance(0.6) or not plain:
                    absent.remove("opacity")
        elif "opacity" in absent and self.chance(0.35):
            absent.remove("opacity")
        can_deny_nodules = self.all_absent("nodules") and self.no_opacity() and self.case.edema in (0, 1)
        can_deny_nodules = can_deny_nodules and not self.names & NODULAR_OTHERS
        nodule = []
        if can_deny_nodules and self.chance(0.1):
            nodule = [Statement(self.say(NO_NODULES), ("nodule_right", "nodule_left"))]
        elif can_deny_nodules and len(absent) == 3 and self.plainly_clear() and self.chance(0.06):
            plain_edema = self.case.edema == 0
            listed = self.denied(absent, bool(plain_edema))
            keys = (*self.denied_keys(absent), "nodule_right", "nodule_left", "edema")
            return [*statements, Statement(f"no {listed}", keys)]
        if len(absent) == 3 and self.chance(0.35):
            groups = [absent[:1], absent[1:]]
        elif (len(absent) == 3 and self.chance(0.2)) or (len(absent) == 2 and self.chance(0.25)):
            groups = [[finding] for finding in absent]
        else:
            groups = [absent] if absent else []
        statements += [Statement(self.no(self.denied(group)), self.denied_keys(group)) for group in groups]
        return statements + nodule

    def clear(self) -> str:
        if not self.plainly_clear():
            return self.say(
                "[<the> lungs are otherwise [clear|grossly clear]|otherwise[,|] <the> lungs are clear|<the> lungs are "
                "[clear|free] of [focal infiltrate|focal consolidation|focal airspace disease|infiltrates|acute "
                "infiltrate]|no acute [infiltrate|airspace disease|pulmonary abnormality] is seen|<the> lungs "
                "otherwise "
                "appear clear|no [acute infiltrates|focal infiltrates|acute airspace disease]]"
            )
        if self.names & (VOLUME_OTHERS | {"emphysema", "hyperinflation"}):
            return self.say("[<the> lungs <are> [clear|grossly clear|clear bilaterally]|clear lungs|lungs clear]")
        return self.say(
            "[<the> [lungs|lungs|lungs|both lungs] <are> [clear|clear|clear|clear bilaterally|well expanded and clear|"
            "well-expanded and clear|well-aerated and clear|normally inflated and clear|normally inflated|grossly "
            "clear|"
            "clear and expanded|well-inflated and clear|clear and well expanded|expanded and clear|unremarkable]|clear "
            "lungs|lungs clear|<the> lungs [appear clear|have a normal appearance|appear grossly clear|demonstrate no "
            "acute findings]|<the> lung fields are clear|<the> lungs and pleural spaces are [clear|unremarkable]|both "
            "lungs are clear and expanded|<the> lung parenchyma is clear|lungs are clear bilaterally|<the> lungs and "
            "pleural spaces show no acute abnormality]"
        )

    def inflated(self, text: str) -> str:
        """The text without words on how far the lungs are expanded, where something else is said of that."""
        if not self.names & (VOLUME_OTHERS | {"emphysema", "hyperinflation"}):
            return text
        return re.sub(r"(?:well|normally)[ -](?:expanded|inflated|aerated)(?: and)? ?", "", text)

    def denied(self, findings: list[str], nodules_and_edema: bool = False) -> str:
        shown = findings[:]
        if len(shown) > 1 and self.chance(0.35):
            self.random.shuffle(shown)
        # With other densities in the lungs, only what is not those can be denied.
        clear = self.lungs_clear() and not self.names & LUNG_OTHERS
        opacity = NO_OPACITY if clear else NO_CONSOLIDATION
        plural = self.chance(0.2)
        names = {
            "opacity": self.say(NO_OPACITIES if plural and clear else opacity),
            "effusion": self.say(
                "[pleural effusions|effusions|large pleural effusions|pleural effusions]"
                if plural
                else "[pleural effusion|pleural effusion|pleural effusion|pleural effusion|effusion|effusion|pleural "
                "fluid|large pleural effusion|large effusion|definite pleural effusion|significant pleural effusion]"
            ),
            "pneumothorax": self.say("[pneumothoraces|pneumothorax]")
            if plural
            else self.say("[pneumothorax|pneumothorax|pneumothorax|pneumothorax|[visible|visualized] pneumothorax]"),
        }
        if findings != ["pneumothorax"]:
            names["pneumothorax"] = re.sub("visible |visualized ", "", names["pneumothorax"])
        parts = [names[finding] for finding in shown]
        if nodules_and_edema:
            parts[0] = "pneumonia" if shown[0] == "opacity" else parts[0]
            parts += [self.say("[edema|pulmonary edema]")] if self.chance(0.6) else []
            if self.chance(0.5) and not self.names & MEDIASTINAL_OTHERS:
                parts.append("adenopathy")
            last = self.say("[nodules or masses|masses or nodules|pulmonary nodules or masses]")
            return f"{', '.join(parts)}, {last}"
        if self.chance(0.05) and clear and "opacity" in shown and len(parts) > 1:
            parts.insert(1, self.say("[suspicious pulmonary opacity|suspicious pulmonary opacity|pulmonary edema]"))
        if len(parts) > 2 and not self.comma:
            return f"{', '.join(parts[:-1])} or {parts[-1]}"
        return joined(parts, "or")

    def denied_keys(self, findings: list[str]) -> tuple[str, ...]:
        return tuple(f"{finding}_{side}" for finding in findings for side in SIDES)

    def no(self, what: str) -> str:
        # 'There are' goes by the first thing named, 'are seen' by the last.
        be, are = ("are" if _PLURALS.search(part) else "is" for part in (re.split(",| or | and ", what)[0], what))
        if self.terse and self.chance(0.6):
            return f"no {what}"
        if what.startswith(("definite", "visible", "visualized")):
            return self.say("[no|no|there <be> no] <what>".replace("<be>", be), what=what)
        kind = self.random.random()
        if kind < 0.12 and not what.startswith(("large", "significant")):
            pattern = (
                "[specifically, no|there is no radiographic evidence of|negative for|there <be> no visible|no visible|"
                "no "
                "radiographic evidence of|there is no evidence for|no evidence for|specifically, there is no evidence "
                "of"
                "|no convincing evidence of|no signs of|specifically, no evidence of|no definite] <what>"
            )
        elif kind < 0.4:
            pattern = (
                "no <what> [<are> [seen|seen|identified|identified|present|noted|visible|demonstrated|visualized]|seen|"
                "identified|identified|visualized|noted]"
            )
        else:
            pattern = "[there <be> no|no|no evidence of|no|there is no evidence of|there <be> no] <what>"
        text = self.say(pattern.replace("<are>", are).replace("<be>", be), what=what)
        if text.startswith("specifically"):
            if self.was_specific:
                return f"no {what}"
            self.was_specific = True
        return text
