"""The web interface: Gradio's server, the desk's routes, and what keeps both from leaking data.

Gradio asks for its switches in the environment while it is imported, so they are set here, before any module of this
package imports it.
"""

import os

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
# Gradio counts its events, and sums up all that it has counted after each; nobody reads the sums.
os.environ["GRADIO_ANALYTICS_MAX_EVENTS"] = "1"
os.environ["GRADIO_ANALYTICS_CACHE_FREQUENCY"] = "1000000000"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

VERSION = "0.1.0"
