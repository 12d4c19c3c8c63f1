"""MLflow's pages in a real Chromium, over the runs of the published study: the list of runs, and error against MACs.

`CONVSTUDY_SCREENSHOTS=docs/images python -m pytest tests/tracking/test_tracking_in_browser.py` writes the pictures of
the documentation.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from mlflow_servers import free_port
from PIL import Image
from processes import LONGEST_SECONDS, wait_until
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait
from tracking_runs import NOLOAD, refuse

from pipeline.evidence.records import GroupRecord, Membership, NetworkRecord, Result, RunSpec, TestScore
from pipeline.evidence.store import RunStore
from pipeline.files import write_json
from pipeline.reporting.rebuild import rebuild_mlflow
from pipeline.schema import read_record, to_json
from pipeline.workspace import Workspace

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
MISSING = [name for name, found in (("chromium", CHROMIUM), ("chromedriver", DRIVER)) if not found]
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(bool(MISSING), reason=f"not on PATH: {', '.join(MISSING)}"),
    pytest.mark.filterwarnings(NOLOAD),
]
PUBLISHED = Path(__file__).parents[2] / "reports" / "published" / "quick"
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")


def stored(runs: RunStore, group: GroupRecord, network: NetworkRecord) -> NetworkRecord:
    """Put a network's runs into a run store; returns its record with their addresses there."""
    channels, _, _ = group.data.image_shape
    spec = RunSpec(
        network.family, network.config, channels, len(group.data.class_names), network.resolution, network.recipe,
        group.data.fingerprint, 0,
    )  # fmt: skip
    found = []
    for run in network.runs:
        member = Membership("run", network.name, "seed")
        folder = runs.register(replace(spec, seed=run.seed), network.name, group.data.name, member)
        assert run.measurement is not None and run.test_error_percent is not None
        folder.write(Result("result/1", folder.run, "complete", None, run.history, "a" * 64))
        folder.write(replace(run.measurement, run=folder.run))
        folder.write(TestScore("test/1", folder.run, run.test_error_percent, 0.0, 10_000, "t" * 64, "a" * 64))
        found.append(replace(run, run=folder.run))
    return replace(network, runs=tuple(found), rates=())


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace whose run store and MLflow hold the networks of the published study."""
    workspace = Workspace(tmp_path_factory.mktemp("published"))
    shutil.copytree(PUBLISHED / "profiles", workspace.results / "profiles")
    runs = RunStore(workspace.runs)
    for path in sorted((PUBLISHED / "runs").glob("*.json")):
        group = read_record(GroupRecord, path)
        networks = tuple(stored(runs, group, network) for network in group.networks)
        write_json(workspace.results / "runs" / path.name, to_json(replace(group, networks=networks)))
    rebuild_mlflow(workspace, refuse)
    return workspace


@pytest.fixture(scope="module")
def page(searched: Workspace) -> Iterator[str]:
    """The address that `convstudy ui` prints, as it serves."""
    command = [sys.executable, "-m", "pipeline.verbs.app", "ui", "--port", str(free_port())]
    environment = {**os.environ, "CONVSTUDY_HOME": str(searched.root)}
    log = searched.root / "ui.log"
    with log.open("w") as output:
        process = subprocess.Popen(command, start_new_session=True, env=environment, stdout=output, stderr=output)

    def address() -> str | None:
        assert process.poll() is None, log.read_text()
        found = re.search(r"MLflow UI: (\S+) \(answers to 127\.0\.0\.1 and localhost", log.read_text())
        return found and found[1]

    try:
        wait_until(lambda: address() is not None)
        yield str(address())
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}", "--window-size=1500,1000"):
        options.add_argument(flag)
    options.binary_location = CHROMIUM or ""
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    try:
        yield driver
    finally:
        driver.quit()


def opened(browser: webdriver.Chrome, page: str) -> None:
    """Show a page, without the assistant that MLflow opens at a first visit."""

    def answers() -> bool:
        try:
            browser.get(page.split("#")[0] + "health")
        except Exception as error:
            assert "ERR_CONNECTION_REFUSED" in str(error)
            return False
        return True

    wait_until(answers)
    browser.execute_script("localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true')")
    browser.get(page)


def text(browser: webdriver.Chrome) -> str:
    return browser.find_element(By.TAG_NAME, "body").text


def shoot(browser: webdriver.Chrome, name: str) -> None:
    """Write a picture for the documentation, where CONVSTUDY_SCREENSHOTS names a folder."""
    if folder := os.environ.get("CONVSTUDY_SCREENSHOTS"):
        picture = Image.open(BytesIO(browser.get_screenshot_as_png())).convert("RGB")
        target = Path(folder) / f"{name}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        picture.quantize(128).save(target, optimize=True)
        assert target.stat().st_size < 150_000


def test_the_first_page_lists_the_runs_of_the_study_with_error_and_macs(browser: webdriver.Chrome, page: str) -> None:
    opened(browser, page)
    WebDriverWait(browser, LONGEST_SECONDS, 0.2).until(lambda _: "resnet-small" in text(browser))
    shown = text(browser)
    assert "Networks of the study" in shown and "Trace" not in shown.split("Model registry")[1]
    for word in ("validation_erro", "macs", "params", "latency_seco", "2636672", "lenet-small", "alexnet-small"):
        assert word in shown, word
    shoot(browser, "mlflow-runs")


def test_the_chart_view_draws_error_against_macs(browser: webdriver.Chrome, page: str) -> None:
    opened(browser, f"{page}&compareRunsMode=CHART")
    points = "return document.querySelectorAll('.scatterlayer .point').length"
    WebDriverWait(browser, LONGEST_SECONDS, 0.2).until(lambda _: browser.execute_script(points) >= 18)
    assert "macs vs. validation_error_percent" in text(browser)
    shoot(browser, "mlflow-error-against-macs")
