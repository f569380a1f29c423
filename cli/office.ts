// The books of a server, opened for one command of its operator beside the process that serves, and closed behind it.

import { type Office, openOffice } from "../server/index.ts";

/** Does `work` with the books of a directory; returns what that returns. @throws what openOffice and the work throw */
export async function inOffice<Result>(
  directory: string,
  work: (office: Office) => Result | Promise<Result>,
): Promise<Result> {
  const office = await openOffice(directory);
  try {
    return await work(office);
  } finally {
    await office.close();
  }
}
