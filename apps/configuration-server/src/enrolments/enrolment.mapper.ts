import { enrolmentStateAt, type Enrolment, type IssuedEnrolment } from '@app/fleet';
import type { ConnectionDto, EnrolmentDto, EnrolmentFile } from '@app/api-contract';

export const toEnrolmentDto = (enrolment: Enrolment, now: Date): EnrolmentDto => ({
  enrolmentId: enrolment.enrolmentId,
  note: enrolment.note,
  state: enrolmentStateAt(now, enrolment),
  createdAt: enrolment.createdAt.toISOString(),
  createdBy: enrolment.createdBy,
  expiresAt: enrolment.expiresAt.toISOString(),
  maxRegistrations: enrolment.maxRegistrations,
  registrations: enrolment.registrations,
  revokedAt: enrolment.revokedAt?.toISOString() ?? null,
  revokedBy: enrolment.revokedBy,
});

export const toEnrolmentFile = (
  { enrolment, siteId, token }: IssuedEnrolment,
  connection: ConnectionDto,
  requiredVersion: string,
): EnrolmentFile => ({
  format: 1,
  siteId,
  enrolmentId: enrolment.enrolmentId,
  ...connection,
  requiredVersion,
  expiresAt: enrolment.expiresAt.toISOString(),
  token,
});
