"""Everything with torch. Knows no Gradio and no DICOM."""

import os

# Threads that wait for each other by spinning take the cores from everybody else: with one busy program beside it, a
# draft on two cores took 3 to 10 s instead of 2. Read when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
