/** A call with no work: what it costs is the cost of calling. */

import { model, type Tensor } from "tsdlc";

export const increment = model((x: Tensor<[]>) => x.add(1));
