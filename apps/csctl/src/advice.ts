import type { Advice } from '@app/cli';

/** What to do next, by problem code. */
export const ADVICE: Advice = {
  api_key_rejected: 'Log in with a key of this server: csctl login --server URL --key-file FILE',
  authentication_required: 'Log in: csctl login --server URL --key-file FILE',
  permission_denied: 'Use a context whose key has the role that the detail names: csctl context list',
  process_server_not_found: 'Look it up by name or address: csctl list --name PREFIX, csctl list --ip-address IP',
  process_server_connected:
    'Decommission it instead (csctl decommission HOST), or purge it with --force if it must not come back.',
  process_server_disconnected: 'It cannot answer any more; purge it: csctl purge HOST --reason REASON',
  machines_protected: 'Move its machines to another process server first, or repeat with --force.',
  machines_unknown: 'Check in the portal that no machine uses it, then repeat with --force.',
  generation_superseded: 'It has registered again since. Look at it (csctl show HOST), then decide again.',
  generation_retired: 'It is already removed: csctl events HOST',
  plan_expired: 'Make the plan again: --dry-run',
  plan_count_mismatch: 'Look at the candidates again (--dry-run), then repeat with their number.',
  share_not_acknowledged: 'Check the filter and the context; if it is right, repeat with --acknowledge-share.',
  empty_filter: 'Name at least one filter, e.g. --silent-for 7d.',
  api_key_name_taken: 'Choose another name; names stay taken after a revocation.',
  last_admin_key: 'Create another admin key first: csctl keys create NAME --role admin --file FILE',
  api_key_not_found: 'List the keys: csctl keys list',
  database_unavailable: 'The server runs, its database does not answer. Retry, then look at its log.',
  internal_error: 'Look for the request id in the log of the server.',
};
