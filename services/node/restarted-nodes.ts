import type { Middleware } from "moleculer";

type Life = { node: { id: string; instanceID: string } };

/**
 * A node that is killed and back within the heartbeat's timeout was never missed: without this, what its former life
 * was asked would wait for that call's own timeout, which for an upload is half a minute.
 */
export const RestartedNodes: Middleware = {
  name: "RestartedNodes",

  created({ localBus, transit }) {
    const lives = new Map<string, string>();
    const meet = ({ node: { id, instanceID } }: Life) => {
      const former = lives.get(id);
      lives.set(id, instanceID);
      if (former && former !== instanceID) transit?.removePendingRequestByNodeID(id);
    };
    for (const event of ["$node.connected", "$node.updated"]) localBus.on(event, meet);
  },
};
