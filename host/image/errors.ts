// Why a file cannot be read as the image of a chip. A chip whose sections are corrupt can be read: that is a finding.

import { type Kinds, TearpadError } from "../protocol/index.ts";

/** The errors of an image, and their facts. */
export interface ImageFacts {
  IMAGE_SIZE: { bytes: number };
  IMAGE_TRUNCATED: { bytes: number; needed: number };
  IMAGE_VERSION: { section: string; version: number };
  NOT_AN_IMAGE: Record<string, never>;
}
export type ImageErrorCode = keyof ImageFacts;

/** The file is no image that this program can read. */
export class ImageError<C extends ImageErrorCode = ImageErrorCode> extends TearpadError<C, ImageFacts[C]> {
  constructor(code: C, facts: ImageFacts[C]) {
    super(code, facts, ERRORS[code]);
  }
}

const ONLY_READ = "Nothing was changed.";
const CUT_SHORT = "Copy the chip again and whole. If this is the only copy, the pad is lost: make a new pair.";

const ERRORS: Kinds<ImageFacts> = {
  IMAGE_SIZE: {
    message: ({ bytes }) =>
      `A file of ${bytes} bytes is not the image of a chip: that has a multiple of 4,096 bytes, at least 28,672.`,
    pad: ONLY_READ,
    advice: CUT_SHORT,
  },
  IMAGE_TRUNCATED: {
    message: ({ bytes, needed }) => `The image is cut short: it has ${bytes} bytes and its pad reaches to ${needed}.`,
    pad: ONLY_READ,
    advice: CUT_SHORT,
  },
  IMAGE_VERSION: {
    message: ({ section, version }) =>
      `The section "${section}" of the image is of version ${version}; this program reads version 1.`,
    pad: ONLY_READ,
    advice: "Use the program of the version that filled the device.",
  },
  NOT_AN_IMAGE: {
    message: () => "This is not the image of a device: it has no journal, and it is not blank.",
    pad: ONLY_READ,
    advice: "Check the path. A bundle is opened with: tearpad open.",
  },
};
