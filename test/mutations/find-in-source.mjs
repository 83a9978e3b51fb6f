/**
 * Where `find` occurs in `source`, as [start, end) offsets. White space and a comma before a closing bracket do not
 * count, so that a formatter does not invalidate the mutations.
 */
export function occurrences(source, find) {
  const { text, offsets } = compact(source);
  const wanted = compact(find).text;
  if (wanted === '') throw new Error('the text to find is empty');
  const found = [];
  for (let at = text.indexOf(wanted); at !== -1; at = text.indexOf(wanted, at + 1)) {
    found.push([offsets[at], offsets[at + wanted.length - 1] + 1]);
  }
  return found;
}

/** @throws Error unless `find` occurs exactly once. */
export function replaceOnce(source, find, replace) {
  const found = occurrences(source, find);
  if (found.length !== 1) throw new Error(`found ${found.length} times instead of once: ${find}`);
  const [[start, end]] = found;
  return `${source.slice(0, start)}${replace}${source.slice(end)}`;
}

function compact(source) {
  let text = '';
  const offsets = [];
  for (const { 0: character, index } of source.matchAll(/\S/g)) {
    if (character === ',' && /^,\s*[)\]}]/.test(source.slice(index))) continue;
    text += character;
    offsets.push(index);
  }
  return { text, offsets };
}
