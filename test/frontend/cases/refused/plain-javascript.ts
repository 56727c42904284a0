import { customGrad, type Device, jit, model, scope, type Tensor, tensor, withDevice } from "tsdlc";

// What is for plain JavaScript alone, inside of a model.
export const numbers = model((x: Tensor<[2]>) => x.add(tensor([1, 2])));
export const jitted = model((x: Tensor<[2]>) => jit((y: Tensor<[2]>) => y.mul(2))(x));
export const ruled = model((x: Tensor<[2]>) => customGrad((y: Tensor<[2]>) => y.mul(2), (g) => [g])(x));
export const scoped = model((x: Tensor<[2]>) => scope(() => x.mul(2)));
const somewhere = {} as Device;
export const moved = model((x: Tensor<[2]>) => x.to(somewhere));
export const placed = model((x: Tensor<[2]>) => withDevice(somewhere, () => x.mul(2)));
