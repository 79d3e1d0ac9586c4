"""`course doctor`: what is missing is named with its remedy."""

import importlib.metadata

from helpers.artefacts import ROOT
from helpers.runner import doctor

NUMPY = importlib.metadata.version("numpy")


def test_every_finding_that_may_fail_has_a_remedy(monkeypatch):
    monkeypatch.setattr(doctor, "PACKAGES", ["no-such-package"])
    for name in ("find_browser", "find_marp", "find_node", "fashion_data"):
        monkeypatch.setattr(doctor, name, lambda: None)
    monkeypatch.setattr(doctor, "home_is_writable", lambda: False)
    missing = {finding.found: finding.remedy for finding in doctor.examine() if not finding.there}
    assert all(missing.values())
    assert missing["no-such-package"] == "run: make install"
    assert "set HOME" in missing["a home folder that can be written to"]
    assert {"browser for PDF and PPTX: not found", "node (slides)", "marp-cli (slides)"} <= set(
        missing
    )


def test_a_package_off_the_lock_is_named_with_its_version(tmp_path):
    lock = tmp_path / "requirements.lock"
    lock.write_text(
        "numpy==1.0 ; python_full_version < '3.12' \\\n    --hash=sha256:00\n"
        "numpy==1.1 ; python_full_version >= '3.12' \\\n    --hash=sha256:00\n"
        "no-such-package==1.0 \\\n    --hash=sha256:00\n"
    )
    finding = doctor._locked(lock)
    assert not finding.there
    assert finding.found == f"versions as in requirements.lock: all but numpy {NUMPY}"


def test_any_of_the_lock_s_versions_will_do(tmp_path):
    lock = tmp_path / "requirements.lock"
    lock.write_text(
        f"numpy==1.0 ; python_version < '3' \\\nnumpy=={NUMPY} ; python_version > '3' \\\n"
    )
    assert doctor._locked(lock).there


def test_the_lock_is_read_whole():
    versions = doctor._versions_of(ROOT / "requirements.lock")
    assert len(versions) > 200
    assert versions["torch"] == {"2.11.0"}
