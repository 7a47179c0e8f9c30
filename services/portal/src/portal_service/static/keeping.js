// How long the images of an exam are kept: holds, retirements and tombstones as `storage` has them, and what a person says.
"use strict";

const keptDoor = (uid, act) => `/api/storage/studies/${encodeURIComponent(uid)}/${act}`;
const dayOf = (moment) => new Date(moment).toLocaleDateString("sv-SE");

// A sentence, with a form beside it where something can be done about it.
function keptLine(text, button, address) {
  const line = $("#kept-line").content.cloneNode(true).firstElementChild;
  $("span", line).textContent = text;
  if (!button) $("form", line).remove();
  else {
    $("form", line).dataset.post = address;
    $("button", line).textContent = button;
  }
  return line;
}

function keptLines(uid, { holds, retirement, tombstones }) {
  const held = holds.map((hold) => keptLine(
    `On legal hold${hold.patient_id ? ", with all of the patient's," : ""} since ${dayOf(hold.held_at)} by ${hold.actor}: ${hold.reason}`,
    "Lift the hold", keptDoor(hold.study_instance_uid, `holds/${hold.hold_id}/lift`),
  ));
  const going = retirement ? [keptLine(
    `${retirement.partial ? "Rejected instances are retired" : "Retired"} since ${dayOf(retirement.retired_at)} by ${retirement.actor || `the rule ${retirement.rule}`}: `
      + `${retirement.reason}. Removed after ${dayOf(retirement.removal_at)}.`,
    "Recall", keptDoor(uid, "recall"),
  )] : [];
  const gone = tombstones.map((stone) => keptLine(
    `${stone.number_of_instances} instances were removed on ${dayOf(stone.removed_at)}, retired by ${stone.retired_by || `the rule ${stone.rule}`}: ${stone.reason}`
      + `${stone.number_left ? `. ${stone.number_left} are kept.` : ""}`,
  ));
  return [...held, ...going, ...gone];
}

async function keptCard(seen) {
  const uid = seen.dataset.study;
  const card = $("#kept").content.cloneNode(true).firstElementChild;
  $("h3", card).textContent = seen.dataset.title;
  for (const form of card.querySelectorAll("form")) form.dataset.post = keptDoor(uid, form.dataset.act);
  const said = await ask(keptDoor(uid, "keeping")).catch(() => null);
  const lines = said ? keptLines(uid, said) : [keptLine("Its owner does not answer.")];
  $("ul", card).replaceChildren(...(lines.length ? lines : [keptLine("As long as the rules say.")]));
  const retired = said?.retirement && !said.retirement.partial;
  if (!said || retired || said.holds.length) $("[data-act=retire]", card).remove();
  if (!said || "removed" in seen.dataset) card.querySelectorAll(":scope > form").forEach((form) => form.remove());
  return card;
}

const keptIsWritten = () => [...document.querySelectorAll("#keeping [name=reason]")].some((field) => field.value);

// What somebody has begun to write stays, whatever changes meanwhile; what is done has been written.
async function showKept({ done = false } = {}) {
  const place = $("#keeping");
  const cards = await Promise.all([...document.querySelectorAll("#live [data-study]")].map(keptCard));
  if (keptIsWritten() && !done) return;
  $(".cards", place).replaceChildren(...cards);
  place.hidden = !cards.length;
}

document.addEventListener("done", (event) => event.target.closest("#keeping") && showKept({ done: true }));

document.addEventListener("DOMContentLoaded", () => {
  new MutationObserver(() => showKept()).observe($("#live"), { childList: true });
  showKept();
});
