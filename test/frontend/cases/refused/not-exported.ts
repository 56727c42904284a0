import { model, type Tensor } from "tsdlc";

const step = model((x: Tensor<["N", 4]>) => x.relu());
export default model((x: Tensor<["N", 4]>) => x.relu());
