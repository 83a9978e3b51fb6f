import type { Socket } from 'node:net';

let asked = 0;
const last = new WeakMap<Socket, number>();

/** Notes that a connection was opened, or asked something, just now. */
export const noteAsked = (socket: Socket): void => void last.set(socket, ++asked);

/** A number that is higher the later a connection asked. */
export const whenAsked = (socket: Socket): number => last.get(socket) ?? 0;
