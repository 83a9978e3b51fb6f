import type { Socket } from 'node:net';

let counter = 0;
const activityBySocket = new WeakMap<Socket, number>();

/** Notes that a connection was opened, or asked something, just now. */
export const touch = (socket: Socket): void => void activityBySocket.set(socket, ++counter);

/** A number that is higher the later a connection asked. */
export const lastActivity = (socket: Socket): number => activityBySocket.get(socket) ?? 0;
