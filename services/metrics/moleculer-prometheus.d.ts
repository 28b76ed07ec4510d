declare module "moleculer-prometheus" {
  const mixin: Partial<import("moleculer").ServiceSchema>;
  export default mixin;
}
