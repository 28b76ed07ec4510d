import { buffer } from "node:stream/consumers";
import { expect, test } from "@jest/globals";
import type { ObjectStore } from "../../lib/object-store/object-store.types.ts";

/** The tests that every object store must pass. `open` returns an empty one. */
export function describeObjectStore(open: () => ObjectStore): void {
  const [anna, ben] = [crypto.randomUUID(), crypto.randomUUID()].toSorted();
  const bytes = (text: string) => Buffer.from(text);
  const read = async (store: ObjectStore, name: string) => {
    const object = await store.get(name);
    return object && { length: object.length, bytes: await buffer(object.body) };
  };
  const namesOf = async (store: ObjectStore, prefix?: string) =>
    Array.fromAsync(store.list(prefix), ({ name }) => name);

  test("prepare can be called any number of times", async () => {
    await open().prepare();
    await open().prepare();
    await open().check();
  });

  test("an object that was put can be read with its length; an unknown one cannot", async () => {
    const store = open();
    await store.put(`${anna}/a.jpeg/64.jpeg`, bytes("small"), "image/jpeg");
    expect(await read(store, `${anna}/a.jpeg/64.jpeg`)).toEqual({ length: 5, bytes: bytes("small") });
    expect(await store.get(`${anna}/a.jpeg/128.jpeg`)).toBeUndefined();
  });

  test("an object of 1 MB is read back completely", async () => {
    const store = open();
    const large = Buffer.alloc(2 ** 20, "0123456789");
    await store.put(`${anna}/large`, large, "image/png");
    expect((await read(store, `${anna}/large`))?.bytes.equals(large)).toBe(true);
    await store.remove([`${anna}/large`]);
  });

  test("a second put replaces the object", async () => {
    const store = open();
    await store.put(`${anna}/a.jpeg/64.jpeg`, bytes("another"), "image/jpeg");
    expect((await read(store, `${anna}/a.jpeg/64.jpeg`))?.bytes).toEqual(bytes("another"));
    const [listed] = await Array.fromAsync(store.list(`${anna}/`));
    expect(Math.abs(Date.now() - Number(listed?.modifiedAt))).toBeLessThan(60_000);
  });

  test("objects are listed in order of their names: all, or those below a name", async () => {
    const store = open();
    const names = [`${anna}/a.jpeg/128.webp`, `${anna}/b.png/64.png`, `${ben}/a.jpeg/64.jpeg`];
    for (const name of names.toReversed()) await store.put(name, bytes(name), "image/jpeg");
    const all = [`${anna}/a.jpeg/128.webp`, `${anna}/a.jpeg/64.jpeg`, ...names.slice(1)];
    expect(await namesOf(store)).toEqual(all);
    expect(await namesOf(store, `${anna}/a.jpeg/`)).toEqual(all.slice(0, 2));
    expect(await namesOf(store, `${ben}/`)).toEqual(all.slice(3));
    expect(await namesOf(store, "nobody/")).toEqual([]);
  });

  test("a removed object is gone, and removing it again succeeds", async () => {
    const store = open();
    const names = await namesOf(store);
    await store.remove(names);
    await store.remove(names);
    await store.remove([]);
    expect(await namesOf(store)).toEqual([]);
  });
}
