"""The page: one static document that loads the bundle, which fills its two panes. Knows nothing of Gradio."""

from __future__ import annotations

from html import escape

from drafting.ui.bundle import Bundle

TITLE = "Report drafting"


def document(bundle: Bundle, endpoint: int) -> bytes:
    """The HTML. `endpoint`: the number by which Gradio's queue knows the page's runs."""
    style, script = escape(bundle.style.address), escape(bundle.script.address)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{TITLE}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{style}">
<script src="{script}" defer></script>
</head>
<body>
<main id="workstation" data-endpoint="{endpoint}">
<div class="viewer-root"></div>
<div class="editor-root"></div>
</main>
<noscript>{TITLE} needs JavaScript.</noscript>
</body>
</html>
""".encode()
