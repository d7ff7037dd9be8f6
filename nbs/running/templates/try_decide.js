// How far down the tree a photo can be placed: what chip.place computes, for one encoder.
// Nothing here knows of a page: tests run it under node beside the Python that it repeats.

const LEAST = 1e-6; // probabilities are kept this far from 0 and 1
const EPSILON = 1e-12;

export function softmax(scores, temperature = 1) {
  const largest = scores.reduce((a, b) => Math.max(a, b), -Infinity);
  const weights = Array.from(scores, (score) => Math.exp((score - largest) / temperature));
  const total = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / total);
}

function logit(share) {
  const kept = Math.min(Math.max(share, LEAST), 1 - LEAST);
  return Math.log(kept / (1 - kept));
}

// The tree with what can be worked out once: children, classes and number of classes of each node.
export function growTree(facts) {
  const { names, parents, own, index } = facts.tree;
  const children = names.map(() => []);
  parents.forEach((parent, node) => parent >= 0 && children[parent].push(node));
  const tree = { names, parents, own, index, children, isClass: new Set(own) };
  tree.counts = spread(
    tree,
    own.map(() => 1),
  );
  return tree;
}

// Sums over everything at or below each node. Parents stand before their children.
function spread(tree, classes) {
  const sums = new Array(tree.names.length).fill(0);
  classes.forEach((value, i) => {
    sums[tree.own[i]] += value;
  });
  for (let node = sums.length - 1; node > 0; node--) sums[tree.parents[node]] += sums[node];
  return sums;
}

// The classes' probabilities in one photo, and what all animals have together of the 1,000 classes.
export function lookAt(outputs, tree) {
  const all = softmax(outputs);
  return {
    classes: softmax(tree.index.map((i) => outputs[i])),
    animal: tree.index.reduce((sum, i) => sum + all[i], 0),
  };
}

// Several photos of one animal: the mean of what is seen in each.
export function together(looks) {
  const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;
  return {
    classes: looks[0].classes.map((_, i) => mean(looks.map((look) => look.classes[i]))),
    animal: mean(looks.map((look) => look.animal)),
    photos: looks.length,
  };
}

function walkDown(masses, tree) {
  const way = [0];
  for (;;) {
    const below = tree.children[way[way.length - 1]];
    const best = below.reduce((a, b) => (a === null || masses[b] > masses[a] ? b : a), null);
    if (best === null || !(masses[best] > 0)) return way;
    way.push(best);
  }
}

// The numbers that the chance of a node is computed from, by the names that chip.place gives them.
function featuresOf(node, seen) {
  const { tree, masses, sharp, entropy, best, photos } = seen;
  const count = Math.max(tree.counts[node], 1);
  const above = tree.counts[Math.max(tree.parents[node], 0)];
  const isClass = Number(tree.isClass.has(node));
  const mass = logit(masses[node]);
  return {
    mass,
    least: mass,
    sharp: logit(sharp[node]),
    size: Math.log2(tree.own.length / count),
    step: Math.log2(Math.max(above, 1) / count),
    entropy,
    best,
    seen: isClass,
    lonely: Number(count <= 1) * (1 - isClass),
    seen_best: isClass * best,
    seen_entropy: isClass * entropy,
    seen_least: isClass * mass,
    photos,
    photos_mass: photos * mass,
    photos_seen: photos * isClass,
  };
}

// The way of an animal down the tree: for each node its chance of being right, and what it would
// say.
export function findWay({ classes, animal, photos }, tree, calibration) {
  const scores = classes.map((share) => Math.log(share + EPSILON));
  const shares = softmax(scores);
  const seen = {
    tree,
    masses: spread(tree, shares),
    sharp: spread(tree, softmax(scores, calibration.sharp)),
    entropy: -shares.reduce((sum, p) => sum + p * Math.log(p + EPSILON), 0),
    best: logit(Math.max(...shares)),
    photos: Math.log(photos),
  };
  let chance = 1;
  const steps = walkDown(seen.masses, tree).map((node, step) => {
    const features = featuresOf(node, seen);
    const score = calibration.features.reduce(
      (sum, name, i) => sum + features[name] * calibration.weights[i],
      calibration.bias,
    );
    if (step) chance = Math.min(chance, 1 / (1 + Math.exp(-score)));
    const rivals = step ? tree.children[tree.parents[node]].filter((other) => other !== node) : [];
    return {
      node,
      chance,
      bits: features.size,
      mass: seen.masses[node],
      rivals: rivals
        .map((other) => ({ node: other, mass: seen.masses[other] }))
        .sort((a, b) => b.mass - a.mass),
    };
  });
  const kin = shares
    .map((share, i) => ({ node: tree.own[i], share }))
    .sort((a, b) => b.share - a.share)
    .slice(0, calibration.kin);
  const last = steps[steps.length - 1];
  return {
    steps,
    kin,
    animal,
    photos,
    isAnimal: animal >= calibration.animal,
    isKnown: tree.isClass.has(last.node) && last.chance >= 0.5,
  };
}

// The risks that can be promised for a number of photos, each with its price in bits, rising.
export function promises(calibration, photos) {
  const counts = Object.keys(calibration.prices)
    .map(Number)
    .filter((n) => n <= photos);
  return calibration.prices[Math.max(...counts)].map(([risk, price]) => ({ risk, price }));
}

// Where the expected gain is largest: chance × bits − price × (1 − chance); of equals the deeper.
export function stopAt(way, risk, calibration) {
  const kept = promises(calibration, way.photos).filter(
    (promise) => promise.risk <= risk + EPSILON,
  );
  const price = kept.length ? kept[kept.length - 1].price : 1e12;
  const gains = way.steps.map(({ chance, bits }) => chance * bits - price * (1 - chance));
  return gains.lastIndexOf(Math.max(...gains));
}
