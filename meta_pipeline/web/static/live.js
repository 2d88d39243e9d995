// What is marked data-live is read again every few seconds, where that is slow more rarely, and not
// while nobody looks; without this file a reload shows it.
(() => {
  const parts = () => [...document.querySelectorAll("[data-live]")];
  const least = 4000;
  function soon(wait) {
    if (parts().some((part) => part.dataset.live === "busy")) setTimeout(again, wait);
  }
  // Whatever was opened in another tab since, this page stays its tenant's, and opens it nowhere else.
  const address = new URL(location.href);
  address.searchParams.set("tenant", document.body.dataset.tenant);
  async function again() {
    if (document.hidden) {
      document.addEventListener("visibilitychange", again, { once: true });
      return;
    }
    const began = performance.now();
    try {
      const answer = await fetch(address, { headers: { Accept: "text/html", "X-Live": "1" } });
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const part of parts()) {
        const fresh = page.getElementById(part.id);
        if (fresh && !part.contains(document.activeElement)) part.innerHTML = fresh.innerHTML;
        part.dataset.live = fresh ? fresh.dataset.live : "";
      }
    } catch { /* the network is away: the next look may find it */ }
    soon(Math.max(least, 20 * (performance.now() - began)));
  }
  soon(least);
})();
