// Instances that came again under known UIDs with other bytes, beside those that are shown: `storage` has read both.
"use strict";

const BYTES = { agrees: "the same bytes", differs: "other bytes", unknown: "not compared" };

function provenance(first, other) {
  const both = (value) => [value(first), value(other)];
  const sender = both((kept) => [kept.calling_ae_title, kept.source].filter(Boolean).join(", by "));
  return [
    ["Kept as", ["shown", `revision ${other.revision}, not shown`], null],
    ["Sender", sender, judged(sender)],
    ["Received", both((kept) => moment(kept.received_at)), null],
    ["Size", both((kept) => `${kept.size.toLocaleString()} bytes`), judged(both((kept) => kept.size))],
    ["SHA-256", both((kept) => kept.sha256), judged(both((kept) => kept.sha256))],
    ["Transfer syntax", both((kept) => kept.transfer_syntax_uid), judged(both((kept) => kept.transfer_syntax_uid))],
  ];
}

function compared({ first, other, attributes, pixels, unreadable }) {
  const lines = provenance(first, other);
  if (!unreadable) lines.push(["Pixel data", [BYTES[pixels], BYTES[pixels]], pixels]);
  for (const { name, agreement, first: left, other: right } of attributes) lines.push([name, [left, right], agreement]);
  return sideBySide(["Came first", "Came later"], lines);
}

function inShort({ sop_instance_uid: uid, instance_number: number, attributes, left_out: more, pixels, unreadable }) {
  const differing = attributes.filter(({ agreement }) => agreement === "differs").map(({ name }) => name);
  if (pixels === "differs") differing.push("Pixel data");
  const summary = make("summary");
  const said = unreadable ? "cannot be compared" : differing.length ? `differs: ${differing.slice(0, 6).join(", ")}` : "no attribute differs";
  const others = differing.length + more - Math.min(6, differing.length);
  summary.append(make("strong", number === null ? "Instance" : `Instance ${number}`), ` ${said}${others > 0 ? ` and ${others} more` : ""} `, make("small", uid));
  return summary;
}

function hideForm({ series_instance_uid: series, sop_instance_uid: uid }) {
  const form = make("form", undefined, { "data-series": series, "data-instance": uid });
  const reason = { name: "reason", required: "", placeholder: "Reason", "aria-label": "Reason", maxlength: "500" };
  const code = make("select", undefined, { name: "code", "aria-label": "Why it is not to be used" });
  code.append(
    make("option", "of no use: quality", { value: "113001" }),
    make("option", "not safe for the patient", { value: "113037" }),
    make("option", "wrong worklist entry", { value: "113038" }),
  );
  form.append(code, make("input", undefined, reason), make("button", "Hide what is shown", { class: "quiet" }));
  return form;
}

function conflictEntry(conflict, first) {
  const box = make("details", undefined, first ? { open: "" } : {});
  box.append(inShort(conflict), compared(conflict));
  if (conflict.unreadable) box.append(make("p", `One of them cannot be read: ${conflict.unreadable}.`));
  if (conflict.left_out) box.append(make("p", `${conflict.left_out} more attributes differ.`, { class: "empty" }));
  box.append(hideForm(conflict));
  return box;
}

async function showConflicts(place) {
  const found = await ask(`/api/storage/studies/${encodeURIComponent(place.dataset.study)}/conflicts`).catch(() => null);
  if (!found) return place.replaceChildren(make("p", "Storage does not answer.", { class: "empty" }));
  const entries = found.instances.map((each, at) => conflictEntry(each, at === 0));
  const more = found.total - entries.length;
  if (more > 0) entries.push(make("p", `${more} more of them.`, { class: "empty" }));
  place.replaceChildren(...(entries.length ? entries : [make("p", "Storage knows of none (any more).", { class: "empty" })]));
}

async function hide(form) {
  const { code, reason } = filled(form);
  const { series, instance } = form.dataset;
  const study = $("#conflicts").dataset.study;
  await send("POST", `/api/storage/studies/${encodeURIComponent(study)}/reject`, { code, reason, series, instances: [instance] });
}

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.dataset.instance) return;
  event.preventDefault();
  try {
    await hide(form);
    notice("It is hidden; its bytes are kept.");
    form.reset();
  } catch (error) {
    notice(error.message, true);
  }
});

document.addEventListener("DOMContentLoaded", () => showConflicts($("#conflicts")));
