"""`deploy install` and `deploy prune`: one rename switches the release, and then it is watched."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from deploy.environment import python_version
from deploy.errors import InstallError
from deploy.keys import PublicKey, load_public
from deploy.layout import Root
from deploy.manifest import release_name
from deploy.proven import changed
from deploy.release import Reached, ReleasePlan, Say, make_release
from deploy.trial import Steps, Supervision, judge
from deploy.unpack import require_fitting, require_space, verify_bundle
from deploy.wheels import this_machine
from landing.distribution import VERSION
from landing.model.manifest import Precision


@dataclass(frozen=True)
class InstallRequest:
    """A bundle to install.

    Attributes:
        root: As ``/opt/touchdown``.
        trusted_keys: Public key files, of which one must have signed the bundle.
        python: Interpreter for the release's environment.
        engine: Precision of the engine to build; None for none.
        system_site_packages: The environment sees the system's packages.
        camera, link: `edge check` opens them.
    """

    bundle: Path
    root: Path
    trusted_keys: tuple[Path, ...]
    python: str = sys.executable
    engine: Precision | None = None
    system_site_packages: bool = False
    camera: bool = False
    link: bool = False


def install(request: InstallRequest, supervision: Supervision, say: Say, reached: Reached = lambda _step: None) -> str:
    """Installs a bundle and makes it fly, or leaves what flew before; returns the release's name.

    Raises:
        BundleError: The bundle must not be taken; nothing was changed.
        InstallError: The release does not come about, and nothing was changed; or it was not healthy, and the one
            before flies again.
    """
    steps = Steps(say)
    trusted = tuple(load_public(path) for path in request.trusted_keys)
    plan = _verified(request, trusted, steps)
    reached("verified")
    root = Root(request.root)
    with root.locked():
        before = root.current()
        if not _is_here(root, plan, before):
            require_space(plan.manifest, root.path)
            reached("space")
            make_release(root, plan, steps, reached)
            steps(f"release {plan.name} is complete")
        else:
            steps(f"release {plan.name} is here already")
        last = root.verdict(plan.name)
        if before == plan.name and last is not None and last.verdict == "healthy":
            steps(f"{plan.name} flies already: nothing to do")
            return plan.name
        root.begin_trial(plan.name)
        reached("trial")
        root.switch(plan.name)
        steps(f"current -> {plan.name}" + (f" (before: {before})" if before else ""))
        reached("switched")
        judge(root, plan.name, before, supervision, steps, reached)
    return plan.name


def _is_here(root: Root, plan: ReleasePlan, current: str | None) -> bool:
    """Return True for a release that is complete and still what was signed and proven.

    Raises:
        InstallError: It is damaged, and it or its software flies, so it cannot be made anew.
    """
    bad = changed(root, plan.name)
    if bad and current is not None and plan.name in (current, root.lender(current)):
        own = plan.name == current
        what = f"{current} flies" if own else f"{current} flies with the software of {plan.name}"
        raise InstallError(
            f"{what}, and {bad} of it is damaged on this disk: install another bundle "
            "or roll back, then install this one again. Check the disk"
        )
    return not bad


def prune(root_path: Path, keep: int, say: Say) -> list[str]:
    """Removes old releases, never the one that flies nor the one to go back to; returns their names.

    The newest `keep` complete releases stay.
    """
    root = Root(root_path)
    with root.locked():
        order = [entry.release for entry in reversed(root.history())]
        complete = [name for name in root.names() if root.record(name) is not None]
        newest = sorted(complete, key=lambda n: order.index(n) if n in order else len(order))
        kept = {root.current(), root.last_good(), *newest[:keep]} - {None}
        while lenders := {root.lender(name) for name in kept if name is not None} - kept - {None}:
            kept |= lenders
        removed = [name for name in root.names() if name not in kept]
        for name in removed:
            root.remove(name)
            say(f"removed {name}")
    return removed


def _verified(request: InstallRequest, trusted: tuple[PublicKey, ...], say: Say) -> ReleasePlan:
    manifest, data = verify_bundle(request.bundle, trusted)
    machine = this_machine(python_version(request.python))
    require_fitting(manifest, machine, VERSION)
    say(
        f"verified {request.bundle.name}: signed by {manifest.signed_by}, {len(manifest.files)} "
        f"files, {manifest.total_bytes / 1e6:.1f} MB"
    )
    return ReleasePlan(
        bundle=request.bundle,
        trusted=trusted,
        manifest=manifest,
        manifest_bytes=data,
        name=release_name(manifest, data) + (f"-{request.engine}" if request.engine else ""),
        python=request.python,
        engine=request.engine,
        system_site_packages=request.system_site_packages,
        camera=request.camera,
        link=request.link,
    )
