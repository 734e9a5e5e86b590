"""A report as plain text, with the notices that its reader needs.

Knows nothing of files, browsers or models.
"""

from __future__ import annotations

from drafting.report import Report

NOTICE = "Research use only. Not a medical device."
UNREVIEWED_NOTICE = "Text in [[ ]] was written by a model and has not been reviewed."


def to_text(report: Report) -> str:
    """The report's text, and after a blank line the notices.

    Locked text stands character for character. Text of the model that nobody has reviewed stands in `[[ ]]`; gaps
    leave nothing. The lines that are added end as the report's own do.
    """
    body = "".join(f"[[{span.text}]]" if span.unreviewed else span.text for span in report.spans)
    line_end = "\r\n" if "\r\n" in body else "\n"
    notices = [NOTICE]
    if any(span.unreviewed for span in report.spans):
        notices.append(UNREVIEWED_NOTICE)
    if body:
        body += line_end if body.endswith(("\n", "\r")) else line_end * 2
    return body + "".join(notice + line_end for notice in notices)
