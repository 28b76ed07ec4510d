import { expect, test } from "@jest/globals";
import { clusterPrefix, topicsByNode } from "../../lib/kafka/cluster-topics.ts";

const topics = [
  "MOL-live.REQ.users-1",
  "MOL-live.RES.users-1",
  "MOL-live.INFO.host.example-42", // a name with a dot
  "MOL-live.INFO",
  "MOL-live.HEARTBEAT",
  "MOL-live.DISCONNECT.of-nobody", // no command that has a topic for each node
  "MOL-live2.REQ.other-cluster",
  "MOL.REQ.without-namespace",
  "user-events",
];

test("the topics of single nodes are found by node; those of all nodes, other clusters and other programs are not", () => {
  expect(Object.fromEntries(topicsByNode(topics, clusterPrefix("live")))).toEqual({
    "users-1": ["MOL-live.REQ.users-1", "MOL-live.RES.users-1"],
    "host.example-42": ["MOL-live.INFO.host.example-42"],
  });
});

test("a cluster without a name has topics of its own too", () => {
  expect([...topicsByNode(topics, clusterPrefix("")).keys()]).toEqual(["without-namespace"]);
});
