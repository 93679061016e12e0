"""The page in a real browser: opened from the disk, in both themes, wide and narrow, by a script put at its end."""

import json
import re
import shutil
import subprocess

import pytest
from tests.unit.test_moments import run as moments_run

from worldprobe.report.write import write_report

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium")
run = moments_run
PROBE = """<script>
const errors = []; addEventListener("error", event => errors.push(event.message));
const table = document.querySelector("table.scores"), button = table.querySelectorAll("th button")[1];
const column = () => [...table.tBodies[0].rows].map(row => Number(row.cells[1].dataset.v));
button.click(); const down = column(); button.click(); const up = column();
const slider = document.getElementById("when"); slider.value = 1; slider.dispatchEvent(new Event("input"));
document.body.dataset.found = JSON.stringify({ errors, down, up,
  said: document.querySelector("#scrub output").textContent,
  dark: getComputedStyle(document.body).backgroundColor, over: document.documentElement.scrollWidth - innerWidth,
  asked: performance.getEntriesByType("resource").map(one => one.name).filter(name => !name.startsWith("data:")) });
</script></body>"""


@pytest.mark.parametrize(("scheme", "paper"), [(0, "rgb(20, 23, 26)"), (1, "rgb(255, 255, 255)")])
@pytest.mark.parametrize("width", [500, 1280])
def test_it_opens_sorts_and_scrubs_without_error_or_request(run, scheme, paper, width):
    write_report(run)
    page = run / "probed.html"
    page.write_text((run / "report.html").read_text().replace("</body>", PROBE))
    done = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--dump-dom",
         f"--window-size={width},900", f"--blink-settings=preferredColorScheme={scheme}",
         f"--user-data-dir={run / 'profile'}", page.as_uri()],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert "CONSOLE" not in done.stderr
    written = re.search(r'data-found="([^"]*)"', done.stdout)
    assert written, done.stderr
    found = json.loads(written[1].replace("&quot;", '"'))
    assert (found["errors"], found["asked"]) == ([], [])
    assert found["down"] == sorted(found["down"], reverse=True)
    assert found["up"] == found["down"][::-1] != found["down"]
    assert found["said"].startswith("0.10 s, frame 2 of 2, tubelet 2, surprise 0.500")
    assert found["dark"] == paper
    assert found["over"] <= 0
