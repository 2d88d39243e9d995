// What is marked data-live is read again every few seconds; without this file a reload shows it.
(() => {
  const parts = () => [...document.querySelectorAll("[data-live]")];
  const seconds = 4;
  // Read as the tenant that is open: a page that names another must not open that by itself.
  const address = new URL(location.href);
  address.searchParams.delete("tenant");
  async function again() {
    try {
      const answer = await fetch(address, { headers: { Accept: "text/html" } });
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      // Another tenant was opened in another tab: this page stays what it was.
      if (page.body.dataset.tenant !== document.body.dataset.tenant) return;
      for (const part of parts()) {
        const fresh = page.getElementById(part.id);
        if (fresh && !part.contains(document.activeElement)) part.innerHTML = fresh.innerHTML;
        part.dataset.live = fresh ? fresh.dataset.live : "";
      }
    } catch { /* the network is away: the next look may find it */ }
    if (parts().some((part) => part.dataset.live === "busy")) setTimeout(again, seconds * 1000);
  }
  if (parts().some((part) => part.dataset.live === "busy")) setTimeout(again, seconds * 1000);
})();
