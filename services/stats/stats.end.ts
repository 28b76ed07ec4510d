import { UserNotFound } from "../../lib/contract/errors.ts";
import { type ChangeCall, changeUser } from "../../models/change-user.ts";
import { transaction } from "../../models/database.ts";
import { findUser } from "../../models/user-row.ts";
import { inTurn } from "../../models/user-turn.ts";
import { endReservation, lockReservation } from "./stats.reservations.ts";
import { COUNTER, mustEnd, type Reservation } from "./stats.rules.ts";
import { findUsage, lockUsers, type Usage } from "./stats.store.ts";

/** The two calls that end a reservation (contract 26). Both may be repeated. */

type Named = { id: string; reservationId: string };

/**
 * Adds a reservation to its user's counter and ends it. The user's row is locked first, as for all counting.
 * @returns the reservation, and the use after it
 * @throws UserNotFound, ReservationNotFound, ReservationEnded, DependencyUnavailable
 */
export const commitReservation = (
  ctx: ChangeCall & { params: Named },
): Promise<{ reservation: Reservation; usage: Usage }> => {
  const { id, reservationId } = ctx.params;
  return inTurn(id, () =>
    transaction(async (tx) => {
      const user = (await lockUsers(tx, [id])).get(id);
      if (!user || user.deletedAt) throw new UserNotFound("ID", id);
      const reservation = await lockReservation(tx, reservationId, id);
      if (mustEnd(reservation, "committed")) {
        const add = { [COUNTER[reservation.resource]]: reservation.amount };
        await endReservation(tx, reservationId, "committed");
        await changeUser("stats", ctx, () => ({ add }), tx);
      }
      return { reservation, usage: await findUsage(id, tx) };
    }),
  );
};

/**
 * Ends a reservation, so that its part of the quota is free again.
 * @throws UserNotFound, ReservationNotFound, ReservationEnded, DependencyUnavailable
 */
export async function releaseReservation({ id, reservationId }: Named): Promise<void> {
  if (!(await findUser(id))) throw new UserNotFound("ID", id);
  await transaction(async (tx) => {
    const reservation = await lockReservation(tx, reservationId, id);
    if (mustEnd(reservation, "released")) await endReservation(tx, reservationId, "released");
  });
}
