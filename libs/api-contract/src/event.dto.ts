/** One event. */
export class EventDto {
  /** UUID; null for a computed event that is not over yet. */
  readonly id!: string | null;
  /** RFC 3339. */
  readonly at!: string;
  /** @example 'registered' */
  readonly kind!: string;
  readonly hostId!: string | null;
  readonly generation!: number | null;
  /**
   * The caller.
   * @example 'operator:admin'
   */
  readonly actor!: string;
  /** Address of the caller; null without a call. */
  readonly sourceAddress!: string | null;
  /** `x-request-id` of the response to the call; null without a call. */
  readonly requestId!: string | null;
  /** Details; the members depend on the kind. */
  readonly detail!: Record<string, unknown>;
}

/** One page in the requested order. */
export class EventList {
  readonly items!: EventDto[];
  /** Null on the last page. Oldest first, the cursor never passes `asOf` less 10 s: the newest events may repeat, none is missed. */
  readonly nextCursor!: string | null;
  /** The same cursor, also on the last page: keep it to follow the log. Null for newest first. */
  readonly followCursor!: string | null;
  /** RFC 3339. */
  readonly asOf!: string;
}
