// Names of the two menus for screen readers, and the keyboard's way to scroll what is wider than the page.
document.addEventListener("DOMContentLoaded", () => {
  document.querySelector("aside.sidebar-drawer")?.setAttribute("aria-label", "Pages");
  document.querySelector("aside.toc-drawer")?.setAttribute("aria-label", "On this page");
  const reach = () => document.querySelectorAll("article pre, article .table-wrapper").forEach(part => {
    if (part.scrollWidth > part.clientWidth) part.tabIndex = 0;
    else part.removeAttribute("tabindex");
  });
  reach();
  addEventListener("resize", reach);
});
