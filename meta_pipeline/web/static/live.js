// What is marked data-live is read again every few seconds; without this file a reload shows it.
(() => {
  const parts = () => [...document.querySelectorAll("[data-live]")];
  const seconds = 4;
  // Whatever was opened in another tab since, this page stays its tenant's, and opens it nowhere else.
  const address = new URL(location.href);
  address.searchParams.set("tenant", document.body.dataset.tenant);
  async function again() {
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
    if (parts().some((part) => part.dataset.live === "busy")) setTimeout(again, seconds * 1000);
  }
  if (parts().some((part) => part.dataset.live === "busy")) setTimeout(again, seconds * 1000);
})();
