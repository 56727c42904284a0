/** Classes, on numbers of run time. The test runs each as JavaScript and as a model, in f64, and compares. */

class Counter {
  count = 0;
  readonly step: number;
  static made = 3;
  static readonly names = ["a", "b"];
  constructor(step: number) {
    this.step = step;
  }
  next(): number {
    this.count += this.step;
    return this.count;
  }
  get twice(): number {
    return this.count * 2;
  }
  set twice(value: number) {
    this.count = value / 2;
  }
  static of(step: number): Counter {
    return new Counter(step);
  }
}

export const fieldsAndMethods = (a: number, b: number) => {
  const counter = new Counter(a);
  const other = Counter.of(b);
  const same = counter;
  counter.next();
  same.next();
  other.next();
  const before = counter.twice;
  counter.twice = b;
  return [counter.count, other.count, before, counter.twice, counter.step, Counter.made, Counter.names.length, counter === same ? 1 : 0, counter === other ? 1 : 0];
};

abstract class Shape {
  readonly kind: string;
  scale = 2;
  constructor(kind: string) {
    this.kind = kind;
    this.scale = this.initialScale();
  }
  initialScale(): number {
    return 3;
  }
  abstract area(): number;
  scaled(): number {
    return this.area() * this.scale;
  }
  describe(): string {
    return `${this.kind}:${this.constructor.name}`;
  }
}

class Circle extends Shape {
  radius: number;
  constructor(radius: number) {
    super("circle");
    this.radius = radius;
  }
  area(): number {
    return this.radius * this.radius * 3;
  }
}

class Square extends Shape {
  side: number;
  extra = this.scale + 1;
  constructor(side: number, kind = "square") {
    super(kind);
    this.side = side;
  }
  override initialScale(): number {
    return super.initialScale() + 10;
  }
  area(): number {
    return this.side * this.side;
  }
}

class Cube extends Square {
  override area(): number {
    return 6 * super.area();
  }
  override describe(): string {
    return `<${super.describe()}>`;
  }
}

export const inheritance = (a: number, b: number) => {
  const shapes: readonly Shape[] = [new Circle(a), new Square(b), new Cube(a, "cube")];
  const cube = new Cube(b);
  return [
    ...shapes.map((shape) => shape.scaled()), ...shapes.map((shape) => shape.describe().length), cube.extra, cube.scale, cube.side,
    ...shapes.flatMap((shape) => [shape instanceof Shape, shape instanceof Square, shape instanceof Cube].map(Number)), Object.keys(cube).length,
    Object.keys(cube).indexOf("extra"), Object.keys(cube).indexOf("side"), "side" in cube ? 1 : 0, "area" in cube ? 1 : 0, "radius" in cube ? 1 : 0,
  ];
};

class Account {
  #balance: number;
  static #opened = 7;
  readonly owner = 1;
  constructor(balance: number) {
    this.#balance = balance;
  }
  #fee(): number {
    return this.#balance * 0.125;
  }
  get #rest(): number {
    return this.#balance - this.#fee();
  }
  pay(amount: number): this {
    this.#balance -= amount;
    this.#balance++;
    return this;
  }
  rest(): number {
    return this.#rest;
  }
  richer(other: Account): number {
    return this.#balance > other.#balance ? 1 : 0;
  }
  static isAccount(value: object): boolean {
    return #balance in value;
  }
  static opened(): number {
    return Account.#opened;
  }
}

class Savings extends Account {
  #balance = 100;
  both(): number {
    return this.#balance + this.rest();
  }
}

export const privateMembers = (a: number, b: number) => {
  const [left, right] = [new Account(a), new Account(b)];
  const savings = new Savings(a);
  return [
    left.pay(b).pay(1).rest(), right.rest(), left.richer(right), right.richer(left), Object.keys(left).length, { ...left }.owner, savings.both(), savings.pay(2).rest(),
    Number(Account.isAccount(left)), Number(Account.isAccount({})), Number(Account.isAccount(savings)), Account.opened(),
  ];
};

class Registry {
  static readonly zero = new Registry(0);
  static total = 0;
  static {
    for (let i = 1; i <= 3; i++) this.total += i;
  }
  static double(): number {
    return this.total * 2;
  }
  static get half(): number {
    return this.total / 2;
  }
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}
class Special extends Registry {
  static override double(): number {
    return super.double() + 1;
  }
}

export const statics = (a: number) => {
  class Local {
    static calls = 0;
    static last = a;
    static call(x: number): number {
      Local.calls++;
      this.last = x;
      return Local.calls;
    }
  }
  Local.call(a);
  Local.call(a * 2);
  return [Registry.zero.value, Registry.total, Registry.double(), Registry.half, Special.double(), Special.total, Local.calls, Local.last, Registry.name.length, typeof Local === "function" ? 1 : 0];
};

/** What `this` is, in closures and functions. */
export const thisInClosures = (a: number, b: number) => {
  class Scaler {
    factor = a;
    scale = (x: number): number => x * this.factor;
    all(xs: readonly number[]): number[] {
      return xs.map((x) => this.scale(x) + this.offset());
    }
    offset(): number {
      return b;
    }
  }
  const scaler = new Scaler();
  const { scale } = scaler;
  scaler.factor = b;
  const name = "offset" as const;
  const literal = { k: a, get(): number { return this.k; }, get twice(): number { return this.k * 2; }, set twice(x: number) { this.k = x; } };
  literal.twice = 5;
  return [...scaler.all([1, 2]), scale(3), scaler[name](), scaler?.offset(), (scaler.offset)(), scaler.offset!(), literal.get(), literal.twice, { ...literal }.twice, Object.values(literal).length];
};

type Constructor = new (value: number) => { readonly value: number; sum(): number };
const Doubled = (Base: Constructor) => class extends Base {
  override sum(): number {
    return super.sum() * 2;
  }
};
class Base {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
  sum(): number {
    return this.value + 1;
  }
}

export const classExpressions = (a: number) => {
  const Twice = Doubled(Doubled(Base));
  const Named = class Inner {
    self(): number {
      return Inner === Named ? 1 : 0;
    }
  };
  const key = "computed";
  class Computed {
    [key] = a;
    ["method" + 1](): number {
      return this.computed;
    }
  }
  const computed = new Computed() as Computed & { method1(): number };
  return [new Twice(a).sum(), new Twice(a) instanceof Base ? 1 : 0, new Named().self(), computed.computed, computed.method1()];
};

class Optimizer {
  rate: number;
  readonly history: number[] = [0, 0];
  state: Counter | undefined = undefined;
  constructor(rate: number) {
    this.rate = rate;
  }
  step(x: number): number {
    if (x > 1) {
      this.rate *= 0.5;
      this.history[0] = x;
      return x - this.rate;
    }
    this.history[1]! += 1;
    return x + this.rate;
  }
}

/** A branch of run time changes the fields of instances, and makes instances. */
export const branches = (a: number, b: number) => {
  const optimizer = new Optimizer(0.5);
  let chosen = new Counter(1);
  if (a > 0) {
    optimizer.rate = b;
    chosen = new Counter(a);
    chosen.next();
  } else {
    optimizer.rate -= 1;
    chosen.next();
  }
  const x = optimizer.step(a);
  const y = optimizer.step(b);
  const other = b > 1 ? new Counter(5) : new Counter(b);
  other.next();
  return [optimizer.rate, ...optimizer.history, x, y, chosen.count, chosen.next(), other.count, other instanceof Counter ? 1 : 0, chosen.twice];
};

class Particle {
  position: number;
  velocity: number;
  readonly log: { steps: number } = { steps: 0 };
  #energy = 0;
  constructor(position: number, velocity: number) {
    this.position = position;
    this.velocity = velocity;
  }
  advance(dt: number): void {
    this.position += this.velocity * dt;
    this.velocity *= 0.9;
    this.log.steps++;
    this.#energy = this.velocity ** 2;
  }
  moved(dt: number): Particle {
    return new Particle(this.position + this.velocity * dt, this.velocity * 0.9);
  }
  get energy(): number {
    return this.#energy;
  }
}

/** A loop of run time changes an instance in place, or makes another one in each turn. */
export const loops = (a: number, b: number) => {
  const particle = new Particle(a, Math.abs(b) + 1);
  let turns = 0;
  while (particle.position < 5 && turns < 40) {
    particle.advance(0.25);
    turns++;
    if (particle.energy < 0.1) break;
  }
  let moving = new Particle(a, Math.abs(b) + 1);
  for (let i = 0; moving.position < 3 && i < 20; i++) moving = moving.moved(0.5);
  return [particle.position, particle.velocity, particle.log.steps, particle.energy, turns, moving.position, moving.velocity, moving.energy, moving instanceof Particle ? 1 : 0];
};

const find = (limit: number, start: number): Particle => {
  let at = new Particle(start, 1);
  for (let i = 0; i < 50; i++) {
    if (at.position > limit) return at;
    at = at.moved(0.5);
  }
  return new Particle(-1, -1);
};

export const returnedFromLoops = (a: number, b: number) => {
  const found = find(a + 1, b);
  found.advance(1);
  return { ...found, energy: found.energy };
};

/** A constructor that branches at run time. */
class Clamped {
  readonly value: number;
  readonly isClamped: boolean;
  constructor(value: number) {
    if (value > 1) {
      this.value = 1;
      this.isClamped = true;
    } else {
      this.value = value;
      this.isClamped = false;
    }
  }
}
export const branchingConstructors = (a: number, b: number) => [new Clamped(a), new Clamped(b)].map(({ value, isClamped }) => (isClamped ? value + 10 : value));

/** What a method of an object literal, a static field and a class around hold, in branches and loops of run time. */
export const capturedState = (a: number, b: number) => {
  const meter = () => {
    let total = 0;
    return { get total() { return total; }, set total(x: number) { total = x; }, add(x: number) { total += x; return this; } };
  };
  const [left, right] = [meter(), meter()];
  class Tally {
    static count = 0;
    static readonly seen = new Map([["up", 0], ["down", 0]]);
    static up(): void {
      Tally.count++;
      this.seen.set("up", (this.seen.get("up") ?? 0) + b);
    }
  }
  for (let x = Math.abs(a); x < 6; x += 1.5) {
    left.add(x).add(1);
    if (x > 2) right.total += x;
    else right.total = 0;
    Tally.up();
  }
  if (a > 0) Tally.up();
  return [left.total, right.total, Tally.count, ...Tally.seen.values()];
};

class Node {
  readonly value: number;
  readonly children: readonly Node[];
  constructor(value: number, ...children: readonly Node[]) {
    this.value = value;
    this.children = children;
  }
  sum(): number {
    return this.children.reduce((total, child) => total + child.sum(), this.value);
  }
  find(limit: number): number {
    for (const child of this.children) if (child.value > limit) return child.value;
    return -1;
  }
  deepest(limit: number): number {
    if (this.value > limit) return 0;
    let most = 0;
    for (const child of this.children) {
      const depth = child.deepest(limit);
      if (depth > most) most = depth;
    }
    return most + 1;
  }
}

export const recursion = (a: number, b: number) => {
  const tree = new Node(a, new Node(b, new Node(a * 2), new Node(1)), new Node(b + 1));
  return [tree.sum(), tree.find(1), tree.find(b), tree.deepest(1), tree.deepest(1000)];
};

class Setting {
  protected raw = 1;
  get value(): number {
    return this.raw;
  }
  set value(next: number) {
    this.raw = next > 2 ? 2 : next;
  }
}
class Halved extends Setting {
  override get value(): number {
    return super.value * 2;
  }
  override set value(next: number) {
    this.raw = next / 2;
  }
}

export const accessors = (a: number, b: number) => {
  const [plain, doubled] = [new Setting(), new Halved()];
  plain.value = a;
  doubled.value = b;
  plain.value += 1;
  const before = plain.value;
  Object.assign(plain, { value: b });
  if (b > 1) doubled.value = a;
  return [before, plain.value, doubled.value, "raw" in plain ? 1 : 0, Object.keys(doubled).length, plain.constructor === Setting ? 1 : 0, doubled.constructor === Halved ? 1 : 0];
};

/** Several names of one instance, of which a branch changes one. */
export const aliases = (a: number) => {
  const one = new Counter(1);
  const holder = { counter: one, list: [one] };
  if (a > 0) holder.counter.count = a;
  else holder.list[0]!.next();
  one.count += 10;
  return [one.count, holder.counter.count, holder.list[0]!.count, holder.counter === one ? 1 : 0];
};

/** Instances in a Map, each changed by a loop of run time. */
export const instancesInMaps = (a: number, b: number) => {
  const counters = new Map([["a", new Counter(Math.abs(a))], ["b", new Counter(Math.abs(b))]]);
  const order: string[] = [];
  let turns = 0;
  do {
    for (const [name, counter] of counters) if (counter.next() > 3 && name === "a") counter.twice = 0;
    turns++;
  } while (turns < 4 && (counters.get("b")?.count ?? 0) < 5);
  for (const name of counters.keys()) order.push(name);
  return [turns, order.length, ...[...counters.values()].map(({ count }) => count)];
};

/** A method that leaves a loop of run time early. */
class Search {
  tries = 0;
  readonly start: number;
  constructor(start: number) {
    this.start = start;
  }
  run(limit: number): { readonly at: number; readonly tries: number } {
    let at = this.start;
    while (at < 100) {
      this.tries++;
      if (at > limit) return { at, tries: this.tries };
      if (this.tries > 20) break;
      at = at * 0.5 + 3;
    }
    return { at: -at, tries: this.tries };
  }
}

export const leavingLoops = (a: number, b: number) => {
  const search = new Search(b);
  const first = search.run(a);
  const second = search.run(5);
  return [first.at, first.tries, second.at, second.tries, search.tries];
};
