package dev.llmworker.model;

import dev.llmworker.model.device.Precision;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/// A model as the programs run it: its sizes and constants, and what each of its layers does. The programs do not know
/// any architecture's name.
///
/// @param architecture as GGUF names it, for messages
/// @param hidden values of a token between layers
/// @param contextLength the most tokens that the model was trained for and can attend to
/// @param epsilon of the RMS norms
/// @param embeddingScale factor of the embedded tokens
/// @param logitScale factor of the logits
/// @param logitCap logits are bounded by `cap * tanh(logit / cap)`; 0 is no bound
/// @param normsFromZero whether the file has the weights of RMS norms less 1
/// @param layerInput values that each layer takes of a token beside the stream; 0 is none
public record ModelConfig(
        String name,
        String architecture,
        int hidden,
        int vocabulary,
        int contextLength,
        float epsilon,
        double embeddingScale,
        double logitScale,
        double logitCap,
        boolean normsFromZero,
        int layerInput,
        List<Layer> layers) {
    public ModelConfig {
        layers = List.copyOf(layers);
    }

    /// The model with the rotary positions that it has in contexts of this length.
    public ModelConfig forContext(int length) {
        // One for all layers that share one: together, those of each layer could fill the memory.
        var ropes = new IdentityHashMap<Rope, Rope>();
        return new ModelConfig(
                name,
                architecture,
                hidden,
                vocabulary,
                contextLength,
                epsilon,
                embeddingScale,
                logitScale,
                logitCap,
                normsFromZero,
                layerInput,
                layers.stream()
                        .map(layer -> layer.with(rope -> ropes.computeIfAbsent(rope, same -> same.forContext(length))))
                        .toList());
    }

    public Stream<Attention> attentions() {
        return layers.stream()
                .map(Layer::mixer)
                .filter(Attention.class::isInstance)
                .map(Attention.class::cast);
    }

    /// Whether tokens see those after them. Such a model makes vectors of texts, and cannot generate.
    public boolean isBidirectional() {
        return attentions().anyMatch(Attention::bidirectional);
    }

    /// What layers keep of a sequence, one by one. Those that read what an earlier one keeps are left out.
    ///
    /// @param positions that a slot holds
    public List<LayerState> states(long positions) {
        return keeping().map(layer -> layer.mixer().state(positions)).toList();
    }

    private Stream<Layer> keeping() {
        return layers.stream().filter(layer -> layer.mixer().hasState());
    }

    /// Bytes that a token takes in the cache, beside [#cacheBytesPerSlot].
    ///
    /// @param positions that a slot holds
    /// @param cache format of keys and values
    public long cacheBytesPerToken(long positions, Precision cache) {
        return states(positions).stream()
                .mapToLong(state -> state.perPosition(cache))
                .sum();
    }

    /// Bytes that a slot takes in the cache whatever its length.
    public long cacheBytesPerSlot(long positions, Precision cache) {
        return states(positions).stream().mapToLong(state -> state.fixed(cache)).sum();
    }

    /// How [#cacheBytesPerToken] comes about, for messages.
    public String cacheArithmetic(long positions, Precision cache) {
        return counted(
                        keeping(),
                        layer -> layer.mixer() instanceof Attention attention
                                        && layer.mixer().state(positions) instanceof LayerState.Full
                                ? attention.kvHeads() + " heads × " + cache.arithmetic(attention.headDim())
                                : "")
                .entrySet()
                .stream()
                .filter(kind -> !kind.getKey().isEmpty())
                .map(kind -> "2 × " + kind.getValue() + " layers × " + kind.getKey())
                .collect(Collectors.joining(" + "));
    }

    /// How [#cacheBytesPerSlot] comes about, for messages; empty if it is 0.
    public String slotArithmetic(long positions) {
        return counted(keeping(), layer -> switch (layer.mixer().state(positions)) {
                    case LayerState.Full _ -> "";
                    case LayerState.Ring ring ->
                        " layers with the last " + ring.length() + " tokens of a window of " + ring.window();
                    case LayerState.Recurrent _ -> " recurrent layers";
                })
                .entrySet()
                .stream()
                .filter(kind -> !kind.getKey().isEmpty())
                .map(kind -> LayerState.COPIES + " × " + kind.getValue() + kind.getKey())
                .collect(Collectors.joining(" + "));
    }

    /// The kinds of layers in words: `24 with 4 heads of 64`.
    public String kinds() {
        var kinds = counted(layers.stream(), Layer::description);
        return kinds.size() == 1
                ? kinds.keySet().iterator().next()
                : kinds.entrySet().stream()
                        .map(kind -> kind.getValue() + " with " + kind.getKey())
                        .collect(Collectors.joining("; "));
    }

    private static Map<String, Long> counted(Stream<Layer> layers, Function<Layer, String> description) {
        return layers.collect(Collectors.groupingBy(description, LinkedHashMap::new, Collectors.counting()));
    }

    /// Bytes of what a program computes for a row between two layers, in float32.
    public long activationBytes() {
        return layers.stream().mapToLong(this::activationBytes).max().orElse(0);
    }

    private long activationBytes(Layer layer) {
        var mixer = layer.mixer();
        var experts = layer.feedForward().experts();
        var widest = 2L * hidden
                + mixer.inputWidth()
                + mixer.resultWidth()
                + 3L * layer.feedForward().activeWidth()
                // What each chosen expert takes and gives.
                + (experts == null ? 0 : 3L * experts.used() * hidden)
                + (long) layers.size() * layerInput;
        return widest * Float.BYTES;
    }

    /// Whether all layers are of the same kind, and have nothing but what Llama, Qwen 2 and Qwen 3 have.
    public boolean isPlain() {
        return embeddingScale == 1
                && logitScale == 1
                && logitCap == 0
                && layerInput == 0
                && !layers.isEmpty()
                && layers.stream().allMatch(layers.getFirst()::equals)
                && layers.getFirst().isPlain();
    }
}
