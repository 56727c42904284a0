import { model, type Tensor } from "tsdlc";
import { helper } from "./nowhere.ts";

export const step = model((x: Tensor<["N", 4]>) => helper(x));
