/**
 * What is compared on a GPU: square products in three precisions, a chain, softmax over rows. The small ones are for
 * machines without a GPU, where they show that the table works.
 */

import { model, type Tensor } from "tsdlc";

type Square<N extends number> = Tensor<[N, N]>;
type Bf16<N extends number> = Tensor<[N, N], "bf16">;

export const f32_1024 = model((a: Square<1024>, b: Square<1024>) => a.matmul(b));
export const f32_2048 = model((a: Square<2048>, b: Square<2048>) => a.matmul(b));
export const f32_4096 = model((a: Square<4096>, b: Square<4096>) => a.matmul(b));
export const f32_8192 = model((a: Square<8192>, b: Square<8192>) => a.matmul(b));

export const tf32_1024 = model((a: Square<1024>, b: Square<1024>) => a.matmul(b), { precision: "tf32" });
export const tf32_2048 = model((a: Square<2048>, b: Square<2048>) => a.matmul(b), { precision: "tf32" });
export const tf32_4096 = model((a: Square<4096>, b: Square<4096>) => a.matmul(b), { precision: "tf32" });
export const tf32_8192 = model((a: Square<8192>, b: Square<8192>) => a.matmul(b), { precision: "tf32" });

export const bf16_1024 = model((a: Bf16<1024>, b: Bf16<1024>) => a.matmul(b));
export const bf16_2048 = model((a: Bf16<2048>, b: Bf16<2048>) => a.matmul(b));
export const bf16_4096 = model((a: Bf16<4096>, b: Bf16<4096>) => a.matmul(b));
export const bf16_8192 = model((a: Bf16<8192>, b: Bf16<8192>) => a.matmul(b));

export const chain = model((x: Tensor<[67108864]>) => x.mul(2).add(1).tanh().mul(x));
export const softmax = model((x: Tensor<[16384, 4096]>) => x.softmax(-1));
export const softmaxOfShortRows = model((x: Tensor<[65536, 128]>) => x.softmax(-1));

export const small_f32 = model((a: Square<64>, b: Square<64>) => a.matmul(b));
export const small_tf32 = model((a: Square<64>, b: Square<64>) => a.matmul(b), { precision: "tf32" });
export const small_bf16 = model((a: Bf16<64>, b: Bf16<64>) => a.matmul(b));
export const small_chain = model((x: Tensor<[4096]>) => x.mul(2).add(1).tanh().mul(x));
export const small_softmax = model((x: Tensor<[8, 100]>) => x.softmax(-1));
