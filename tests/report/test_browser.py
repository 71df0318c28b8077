"""The report in a real browser: nothing leaves the page, nothing is blank, nothing scrolls sideways."""

import io
import json
import re
import shutil
import subprocess
from html import unescape

import numpy as np
import pytest
from PIL import Image

from tests.conftest import TINY, called

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no chromium is installed: apt-get install chromium"),
]

# Appended to a copy of the page: what a person would see of it, as JSON.
PROBE = """
<script>
function spread(image) {
  const canvas = document.createElement("canvas");
  canvas.width = image.naturalWidth; canvas.height = image.naturalHeight;
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
  let low = 255, high = 0;
  for (let i = 0; i < pixels.length; i += 4) { low = Math.min(low, pixels[i]); high = Math.max(high, pixels[i]); }
  return high - low;
}
window.onload = () => {
  const seen = {
    width: window.innerWidth,
    scroll: document.documentElement.scrollWidth,
    dark: matchMedia("(prefers-color-scheme: dark)").matches,
    background: getComputedStyle(document.body).backgroundColor,
    verdict: document.querySelector(".verdict").getBoundingClientRect().bottom,
    table: document.querySelector("table").getBoundingClientRect().bottom,
    first: [...document.querySelectorAll(".first img, .first p")].map(part => {
      const box = part.getBoundingClientRect();
      return [part.alt || part.textContent, box.left, box.right, box.top, box.bottom];
    }),
    narrowed: [...document.querySelectorAll(".first img")].filter(image => image.width != image.naturalWidth).length,
    images: [...document.images].map(image => [image.alt, image.naturalWidth, spread(image)]),
    resources: performance.getEntriesByType("resource").map(entry => entry.name.slice(0, 40)),
  };
  parent.postMessage(JSON.stringify(seen), "*");
};
</script>
"""

# A window is never narrower than 500 pixels, a frame in it is.
FRAME = """<!doctype html><title>frame</title>
<script>
window.onmessage = event => {
  const place = document.createElement("pre");
  place.id = "probe"; place.textContent = event.data;
  document.body.append(place);
};
</script>
<iframe src="copy.html" width="%d" height="%d" style="border: 0"></iframe>
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """report.html of a small comparison with three arms, an ill one among them."""
    folder = tmp_path_factory.mktemp("browser")
    words = [*TINY, "steps=40", "loss=minimax,nonsaturating,hinge", "seed=0,1", "name=seen"]
    done = called("compare-losses", *words, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / done.stdout.strip() / "report.html"


def browse(page, folder, *flags, width=1400, height=1000):
    """Runs the browser on a page; gives its standard output and error."""
    command = [
        BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync", "--enable-logging=stderr",
        f"--user-data-dir={folder / 'profile'}", f"--window-size={width},{height}", *flags, page.as_uri(),
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def seen(report, folder, width, height=900):
    """What the probe found in a frame of that size, and what the browser wrote to its console."""
    (folder / "copy.html").write_text(report.read_text().replace("</body>", f"{PROBE}</body>"))
    frame = folder / "frame.html"
    frame.write_text(FRAME % (width, height))
    done = browse(frame, folder, "--dump-dom", "--virtual-time-budget=8000")
    found = re.search(r'<pre id="probe">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stderr
    return json.loads(unescape(found[1])), [line for line in done.stderr.splitlines() if "CONSOLE" in line]


@pytest.mark.parametrize("width", [400, 1400])
def test_the_page_fits_its_window_and_every_picture_shows_something(report, tmp_path, width):
    found, console = seen(report, tmp_path, width=width)
    assert console == []
    assert found["width"] == width and found["scroll"] <= width
    assert len(found["images"]) == 11
    assert all(natural > 200 and contrast > 100 for _, natural, contrast in found["images"]), found["images"]
    assert all(name.startswith("data:") for name in found["resources"])


@pytest.fixture(scope="module")
def two_arms(tmp_path_factory):
    """report.html of the two forms of J(G) with one seed, which cannot tell."""
    folder = tmp_path_factory.mktemp("two")
    done = called("compare-losses", *TINY, "steps=40", "loss=minimax,nonsaturating", "seed=0", "name=two", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "whether 6 would is not known: `ganctl compare-losses" in " ".join(done.stderr.split())
    return folder / done.stdout.strip() / "report.html"


def test_the_first_screen_of_two_arms_tells_the_story(two_arms, tmp_path):
    found, _ = seen(two_arms, tmp_path, width=1400)
    (samples, *left), said, (mechanism, *right), why = found["first"]
    assert (samples, mechanism) == ("samples side by side", "mechanism")
    assert said[0].startswith("On average the distance") and why[0].startswith("In the minimax runs D(G(z)) was")
    assert found["verdict"] < left[2]
    assert all(start >= 0 and end <= 1400 and bottom < 900 for _, start, end, _, bottom in found["first"])
    assert left[1] < right[0] and right[2] < left[3]  # side by side
    assert found["narrowed"] == 0  # a pixel is a pixel
    assert found["table"] < 900


def test_the_verdict_and_its_table_are_on_the_first_screen(report, tmp_path):
    found, _ = seen(report, tmp_path, width=1400)
    assert found["verdict"] < 250 and found["table"] < 900


def test_no_request_leaves_the_page(report, tmp_path):
    page = re.sub(r"data:[a-z/]+;base64,[A-Za-z0-9+/=]+", "", report.read_text())
    assert "://" not in page and "//" not in re.sub(r"<pre>.*?</pre>", "", page, flags=re.DOTALL)

    def hosts(name, address):
        log = tmp_path / f"{name}.json"
        browse(address, tmp_path, f"--log-net-log={log}", f"--screenshot={tmp_path / name}.png")
        return set(re.findall(r"https?://([^/:\"\\\s]+)", log.read_text()))

    (tmp_path / "empty.html").write_text("<!doctype html><title>empty</title>")
    # What the browser asks for by itself it asks for on an empty page too.
    assert hosts("report", report) <= hosts("empty", tmp_path / "empty.html")


@pytest.mark.parametrize("width", [400, 1400])
def test_a_screenshot_is_not_blank_in_light_and_in_dark(report, tmp_path, width):
    shades = {}
    for name, flags in {"light": [], "dark": ["--force-dark-mode"]}.items():
        file = tmp_path / f"{name}.png"
        browse(report, tmp_path, f"--screenshot={file}", *flags, width=width, height=1200)
        with Image.open(io.BytesIO(file.read_bytes())) as picture:
            pixels = np.asarray(picture.convert("L"))
        assert pixels.shape[1] == width and pixels.std() > 10
        shades[name] = np.median(pixels)
    assert shades["light"] > 230 and shades["dark"] < 60


def test_it_prints_on_paper(report, tmp_path):
    file = tmp_path / "report.pdf"
    browse(report, tmp_path, f"--print-to-pdf={file}")
    assert file.read_bytes().startswith(b"%PDF") and file.stat().st_size > 50_000
