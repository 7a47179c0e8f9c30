// A patient whom only images have named, beside those whom registration knows: `patient` answers for both.
"use strict";

const PATIENTS = "/api/patient/patients";
const SAID = [
  ["Name", fullName],
  ["Born", (patient) => patient.birth_date || ""],
  ["Sex", (patient) => patient.sex || ""],
  ["Number", (patient) => numbered(patient.id)],
];

function sidesOf(stranger, known) {
  return sideBySide(["Images", "Registration"], SAID.map(([name, value]) => {
    const said = [value(stranger.patient), value(known.patient)];
    return [name, said, name === "Number" ? null : judged(said)]; // two numbers of one person differ
  }));
}

function knownEntry(stranger, known, first) {
  const box = make("details", undefined, first ? { open: "" } : {});
  const form = make("form", undefined, { "data-post": `${PATIENTS}/${stranger.patient_id}/links`, "data-then": "/exceptions" });
  form.append(
    make("input", undefined, { type: "hidden", name: "patient_id", value: known.patient_id }),
    make("input", undefined, { type: "hidden", name: "linked", value: "true" }),
    make("input", undefined, { name: "reason", required: "", placeholder: "Reason", "aria-label": "Reason", maxlength: "500" }),
    make("button", "Link to this patient"),
  );
  box.append(make("summary", SAID.map(([, value]) => value(known.patient)).filter(Boolean).join(" · ")), sidesOf(stranger, known), form);
  return box;
}

async function showKnown(place, stranger, asked) {
  const found = await ask(`${PATIENTS}?${new URLSearchParams({ limit: 20, ...asked })}`).catch(() => []);
  const known = found.filter((each) => !each.provisional && !each.survivor_id && each.patient_id !== stranger.patient_id);
  const none = make("p", "Registration knows nobody like this.", { class: "empty" });
  place.replaceChildren(...(known.length ? known.map((each, at) => knownEntry(stranger, each, at === 0)) : [none]));
}

async function showStranger(place) {
  const stranger = await ask(`${PATIENTS}/${place.dataset.stranger}`).catch(() => null);
  if (!stranger) return place.replaceChildren(make("p", "Patient does not answer.", { class: "empty" }));
  $("#stranger").textContent = SAID.map(([, value]) => value(stranger.patient)).filter(Boolean).join(" · ");
  const { family_name: name } = stranger.patient;
  if (name) await showKnown(place, stranger, { family_name: name });
  else place.replaceChildren();
  $("#look-up").onsubmit = (event) => {
    event.preventDefault();
    showKnown(place, stranger, filled(event.target));
  };
}

document.addEventListener("DOMContentLoaded", () => $("#known") && showStranger($("#known")));
