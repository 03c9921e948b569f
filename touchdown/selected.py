"""Reading of a choice, the same for a decision just made and for a recorded one."""

from __future__ import annotations

from landing.site import LandingSite, NoSite


class WithSelection:
    """A site, or the reason why there is none."""

    selection: LandingSite | NoSite

    @property
    def site(self) -> LandingSite | None:
        """The site; None where there is none."""
        return self.selection if isinstance(self.selection, LandingSite) else None

    @property
    def refusal(self) -> NoSite | None:
        """The reason why there is no site; None where there is one."""
        return self.selection if isinstance(self.selection, NoSite) else None

    @property
    def text(self) -> str:
        """One line in words, with numbers and units."""
        return self.selection.text
