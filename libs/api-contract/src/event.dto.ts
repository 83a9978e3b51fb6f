/** Something that happened. */
export class EventDto {
  /** UUID; null for one that is computed and not yet over. */
  readonly id!: string | null;
  /** RFC 3339. */
  readonly at!: string;
  /** @example 'registered' */
  readonly kind!: string;
  readonly hostId!: string | null;
  readonly generation!: number | null;
  /**
   * Who did it.
   * @example 'operator:admin'
   */
  readonly actor!: string;
  /** Where the call came from; null when nobody called. */
  readonly sourceAddress!: string | null;
  /** `x-request-id` of the call's answer; null when nobody called. */
  readonly requestId!: string | null;
  /** Facts of the kind; members vary. */
  readonly detail!: Record<string, unknown>;
}

/** One page, in the order that was asked for. */
export class EventList {
  readonly items!: EventDto[];
  /** Null on the last page. Oldest first it never passes `asOf` less 10 s: the newest may repeat, none is missed. */
  readonly nextCursor!: string | null;
  /** The same, also on the last page: keep it to follow the log. Null newest first. */
  readonly followCursor!: string | null;
  /** RFC 3339. */
  readonly asOf!: string;
}
