"""Pages in a real browser: headless Chromium, without a network."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--enable-logging=stderr", "--v=0"),
)
CONSOLE = re.compile(r":CONSOLE[:(].*")
ASKED = """<script>
window.addEventListener("load", () => {
  const images = [...document.images];
  const links = [...document.querySelectorAll("nav a")];
  const found = {
    images: images.length,
    broken: images.filter(one => !one.naturalWidth).map(one => one.alt),
    dead: links.filter(one => !document.querySelector(one.getAttribute("href"))).length,
    links: links.length,
    wide: document.documentElement.scrollWidth - window.innerWidth,
    loaded: performance.getEntriesByType("resource").map(one => one.name).filter(name => !name.startsWith("data:")),
  };
  const told = document.createElement("pre");
  told.id = "told";
  told.textContent = JSON.stringify(found);
  document.body.append(told);
});
</script>"""
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")


def rendered(page: Path) -> dict[str, object]:
    """Returns what a browser makes of a page: `images`, those `broken`, `console` messages, what else was `loaded`…"""
    assert CHROMIUM is not None
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "page.html"
        copy.write_text(page.read_text().replace("</body>", f"{ASKED}</body>"))
        command = [CHROMIUM, *FLAGS, f"--user-data-dir={folder}/user", "--window-size=1300,900", "--dump-dom"]
        done = subprocess.run([*command, copy.as_uri()], capture_output=True, text=True, timeout=120)
    told = re.search(r'<pre id="told">(.*?)</pre>', done.stdout)
    assert told, done.stderr[-2000:]
    return json.loads(told[1]) | {"console": CONSOLE.findall(done.stderr)}
