import { expect, test } from "@jest/globals";
import { clusterPrefix, topicsByNode } from "../../lib/kafka/cluster-topics.ts";

const topics = [
  "MOL-live.REQ.users-1",
  "MOL-live.RES.users-1",
  "MOL-live.INFO.host.example-42", // a node id with a dot
  "MOL-live.INFO",
  "MOL-live.HEARTBEAT",
  "MOL-live.DISCONNECT.of-nobody", // this command has no topics for single nodes
  "MOL-live2.REQ.other-cluster",
  "MOL.REQ.without-namespace",
  "user-events",
];

test("topicsByNode groups the topics of single nodes, and ignores topics for all nodes, of other clusters and of other programs", () => {
  expect(Object.fromEntries(topicsByNode(topics, clusterPrefix("live")))).toEqual({
    "users-1": ["MOL-live.REQ.users-1", "MOL-live.RES.users-1"],
    "host.example-42": ["MOL-live.INFO.host.example-42"],
  });
});

test("the topics of a cluster without a namespace are found", () => {
  expect([...topicsByNode(topics, clusterPrefix("")).keys()]).toEqual(["without-namespace"]);
});
