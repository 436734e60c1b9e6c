// Pixels of a file as zoo reads them: 8 bits, upright, not converted; refused where a browser differs.

const PNG = [0x89, 0x50, 0x4e, 0x47];
const KINDS = [
  [[0x49, 0x49, 0x2a, 0], "a TIFF"],
  [[0x4d, 0x4d, 0, 0x2a], "a TIFF"],
  [[0x42, 0x4d], "a BMP"],
  [[0x47, 0x49, 0x46], "a GIF"],
  [[0x52, 0x49, 0x46, 0x46], "a WebP"],
];
const OTHERWISE = "Predict it with zoo predict, or save it as an 8-bit PNG.";

// Returns the picture and its pixels, (height, width, 3) in RGB.
async function read(file) {
  const head = new Uint8Array(await file.arrayBuffer());
  const fault = findFault(head);
  if (fault) throw refused(file, fault);
  const options = { colorSpaceConversion: "none", premultiplyAlpha: "none", imageOrientation: "from-image" };
  const picture = await createImageBitmap(file, options).catch(() => null);
  if (!picture) throw refused(file, "it is damaged, or larger than a browser can open");
  const size = { width: picture.width, height: picture.height };
  const context = surface(size).getContext("2d", { willReadFrequently: true });
  context.drawImage(picture, 0, 0);
  let data;
  try {
    data = context.getImageData(0, 0, size.width, size.height).data;
  } catch {
    throw refused(file, "it has more pixels than a browser can hand over");
  }
  const pixels = new Uint8Array(size.width * size.height * 3);
  for (let from = 0, to = 0; from < data.length; from += 4) {
    if (data[from + 3] !== 255) throw refused(file, "it has transparent pixels, whose colours a browser changes");
    pixels[to++] = data[from];
    pixels[to++] = data[from + 1];
    pixels[to++] = data[from + 2];
  }
  return { picture, size, pixels };
}

function refused(file, fault) {
  const problem = { detail: `Cannot read ${file.name}: ${fault}.`, hint: OTHERWISE };
  return Object.assign(new Error(problem.detail), { problem });
}

// Why a file would be predicted with other pixels than zoo's, as a clause; or null.
function findFault(bytes) {
  const begins = (magic, at = 0) => magic.every((byte, index) => bytes[at + index] === byte);
  if (!bytes.length) return "it is empty";
  if (begins(PNG)) return bytes[24] === 16 ? "it has 16 bits" : null;
  if (begins([0xff, 0xd8])) return findJpegFault(bytes);
  if (begins([0x44, 0x49, 0x43, 0x4d], 128)) return "it is a DICOM";
  const kind = KINDS.find(([magic]) => begins(magic));
  return kind ? `it is ${kind[1]}` : "it is no PNG or JPEG";
}

// The frame header states bits and components: ISO/IEC 10918-1, B.2.2.
function findJpegFault(bytes) {
  for (let at = 2; at + 9 < bytes.length && bytes[at] === 0xff; ) {
    const marker = bytes[at + 1];
    if (marker === 0xff) { at += 1; continue; } // fill
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) {
      if (bytes[at + 4] !== 8) return `it has ${bytes[at + 4]} bits`;
      return [1, 3].includes(bytes[at + 9]) ? null : "it is a JPEG of four inks";
    }
    at += 2 + 256 * bytes[at + 2] + bytes[at + 3];
  }
  return "it is damaged";
}
