// Times for which the station of the week page is not to be had: made, shown, lifted. Service, teaching, a slot held for somebody.
"use strict";

const BLOCKED_MINUTES = 30;

// What a clock in a time zone shows at an instant, as a form field wants it; and the instant of what it shows.
function wallClock(zone, instant) {
  const parts = { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", hour12: false };
  const shown = new Intl.DateTimeFormat("sv-SE", { timeZone: zone, ...parts }).format(new Date(instant));
  return shown.replace(" ", "T");
}

function instantOf(zone, wall) {
  const wanted = Date.parse(`${wall}Z`);
  let instant = wanted;
  for (let round = 0; round < 2; round += 1) instant += wanted - Date.parse(`${wallClock(zone, instant)}Z`); // the offset may change between
  return new Date(instant);
}

function fillBlock(start) {
  const form = $("#block");
  const zone = week.agenda.time_zone;
  form.elements.starts_at.value = wallClock(zone, start);
  form.elements.ends_at.value = wallClock(zone, +start + BLOCKED_MINUTES * MINUTE);
  form.elements.reason.focus();
}

function blockElement(block) {
  const element = made("button", "block", `${block.reason} (${block.actor})`);
  element.type = "button";
  element.title = `${week.times.both(block.starts_at)} to ${week.times.both(block.ends_at)}: ${element.textContent}`;
  element.onclick = () => showBlock(block);
  return element;
}

function showBlock(block) {
  week.chosen = null;
  const lift = made("button", "quiet", "Lift the block");
  lift.type = "button";
  lift.onclick = () => liftBlock(block);
  filledWith(
    $("#chosen"),
    made("h2", "", "Not to be had"),
    made("p", "", `${week.times.both(block.starts_at)} to ${week.times.both(block.ends_at)}`),
    made("p", "", `${block.reason}, ${block.actor}`),
    lift,
  );
}

async function liftBlock(block) {
  try {
    await send("DELETE", `${DOOR}/blocks/${block.block_id}`);
    notice("Lifted: it can be booked again.");
    $("#chosen").replaceChildren();
  } catch (error) {
    notice(error.message, true);
  }
  await showWeek();
}

async function makeBlock(form) {
  const { starts_at: start, ends_at: end, reason, displace } = filled(form);
  const zone = week.agenda.time_zone;
  await send("POST", `${DOOR}/blocks`, {
    site: week.shown.site,
    station_ae_title: week.shown.station,
    starts_at: instantOf(zone, start).toISOString(),
    ends_at: instantOf(zone, end).toISOString(),
    reason,
    displace: displace === "on",
  });
}

document.addEventListener("DOMContentLoaded", () => {
  $("#block").onsubmit = async (event) => {
    event.preventDefault();
    const form = event.target;
    try {
      await makeBlock(form);
      notice("Blocked.");
      form.reset();
    } catch (error) {
      const booked = error.message.includes("taken") ? ": somebody is booked. Tick the box, or choose another time." : "";
      notice(`${error.message}${booked}`, true);
    }
    document.activeElement.blur();
    await showWeek();
  };
});
