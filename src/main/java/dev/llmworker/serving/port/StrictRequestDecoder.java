package dev.llmworker.serving.port;

import dev.llmworker.serving.memory.MemoryBudget;
import dev.llmworker.serving.wire.HeaderLists;
import dev.llmworker.serving.wire.JsonError;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelOption;
import io.netty.channel.ChannelOutboundHandlerAdapter;
import io.netty.channel.ChannelPipeline;
import io.netty.channel.ChannelPromise;
import io.netty.handler.codec.DecoderResult;
import io.netty.handler.codec.http.HttpContent;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpHeaderValues;
import io.netty.handler.codec.http.HttpMessage;
import io.netty.handler.codec.http.HttpResponse;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.HttpStatusClass;
import io.netty.handler.codec.http.HttpUtil;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.handler.codec.http.LastHttpContent;
import io.vertx.core.http.HttpServerOptions;
import io.vertx.core.http.impl.VertxHttpRequestDecoder;
import java.util.HexFormat;
import java.util.List;

/// Decodes one request at a time, and keeps `Content-Length` if the request has `Transfer-Encoding` too.
///
/// What a client sends ahead stays undecoded, and is bounded, until the request before it is answered. Vert.x would
/// decode any number of requests. If the last one was incomplete when the client disconnected, the request that is
/// being answered would not learn of it.
///
/// [RequestFilter] rejects a request with both headers. The codec would drop one and go on. What a proxy in front took
/// for the body of one request could then be read as the next request.
///
/// All headers that are lists are brought into one form here, before anybody reads them: see [HeaderLists].
///
/// What a head takes is counted: as headers, sixteen kilobytes of short lines are half a megabyte. A head that does not
/// fit is an invalid request with a `RefusedException`.
///
/// An answer without a length that cannot be sent in chunks, because HTTP/1.0 has none, ends with its connection.
///
/// Threading: the connection's event loop.
final class StrictRequestDecoder extends VertxHttpRequestDecoder {
    private static final String DECODER = "httpDecoder";
    private static final String ENCODER = "httpEncoder";
    private static final int MAX_AHEAD_BYTES = 64 << 10;
    /// What a header or a query parameter takes besides its characters: an entry and two texts.
    private static final long ENTRY_BYTES = 160;
    /// How often a target is in memory: as a whole, as path and query, and as routes see it.
    private static final long BYTES_PER_BYTE = 4;
    /// Characters that browsers leave in a target as they are, and that Java's `URI` does not allow.
    private static final String NOT_IN_URIS = "\"<>\\^`{|}";

    private final Answers answers = new Answers();
    // A request was read to its end and is not answered yet.
    private boolean read;
    // Its answer is written, possibly before the whole request is read.
    private boolean written;
    private boolean paused;
    /// Of what the client has sent ahead.
    private final MemoryBudget.Lease ahead;
    /// Of the request's head, and of its trailers.
    private final MemoryBudget.Lease head;
    private long headBytes;
    /// With those of trailers.
    private long linesBytes;
    private long countedBytes;
    /// The head is passed on.
    private boolean isInBody;
    /// The connection ends: nothing is decoded any more.
    private boolean refused;

    private StrictRequestDecoder(HttpServerOptions options, MemoryBudget budget) {
        super(options);
        ahead = budget.lease();
        head = budget.lease();
    }

    /// Called before the connection is read.
    ///
    /// @param budget if it has no room, a client cannot send ahead
    static void install(ChannelPipeline pipeline, HttpServerOptions options, MemoryBudget budget) {
        var decoder = new StrictRequestDecoder(options, budget);
        pipeline.replace(DECODER, DECODER, decoder);
        pipeline.addAfter(ENCODER, null, decoder.answers);
    }

    @Override
    protected void decode(ChannelHandlerContext ctx, ByteBuf in, List<Object> out) throws Exception {
        if (refused) {
            in.skipBytes(in.readableBytes());
            return;
        }
        if (read) {
            var hasRoom = ahead.resize(in.readableBytes());
            if (!paused && (!hasRoom || in.readableBytes() > MAX_AHEAD_BYTES)) {
                paused = true;
                ctx.channel().config().setAutoRead(false);
            }
            return;
        }
        var start = in.readerIndex();
        super.decode(ctx, in, out);
        if (!hasRoom(in, start, out)) {
            refuse(ctx, out);
        }
        if (!out.isEmpty() && out.getLast() instanceof LastHttpContent) {
            read = !written;
            written = false;
            if (!read) {
                forgetHead();
            }
        }
    }

    private void refuse(ChannelHandlerContext ctx, List<Object> out) {
        refused = true;
        if (isInBody) {
            ctx.close();
        } else {
            out.clear();
            // What it held is a part of what it needs.
            head.resize(0);
            var invalid = createInvalidMessage();
            invalid.setDecoderResult(DecoderResult.failure(JsonError.refusal(head, countedBytes)));
            out.add(invalid);
        }
    }

    private void forgetHead() {
        isInBody = false;
        headBytes = 0;
        linesBytes = 0;
        var _ = counted();
    }

    /// Counts what was decoded, unless it is a part of the body.
    ///
    /// @param start of what was decoded
    private boolean hasRoom(ByteBuf in, int start, List<Object> out) {
        if (!out.isEmpty()
                && out.getLast() instanceof HttpContent part
                && part.content().isReadable()) {
            // What came before it since the head was a line with the part's size.
            linesBytes = headBytes;
            return counted();
        }
        var bytes = BYTES_PER_BYTE * (in.readerIndex() - start);
        for (var at = start; at < in.readerIndex(); at++) {
            var separator = in.getByte(at);
            bytes += separator == '\n' || separator == '&' || separator == ';' ? ENTRY_BYTES : 0;
        }
        linesBytes += bytes;
        var hasRoom = counted();
        if (hasRoom && !isInBody && !out.isEmpty()) {
            isInBody = true;
            headBytes = linesBytes;
        }
        return hasRoom;
    }

    private boolean counted() {
        var bytes = MemoryBudget.ofHead(linesBytes);
        if (bytes == countedBytes) {
            return true;
        }
        countedBytes = bytes;
        return head.resize(bytes);
    }

    /// Called when the answer has been written.
    private void answered(ChannelHandlerContext ctx) {
        written = true;
        if (paused || actualReadableBytes() > 0) {
            // Later, when Vert.x has finished with the answer.
            ctx.executor().execute(() -> readOn(ctx));
        } else {
            readOn(ctx);
        }
    }

    /// Continues with the next request, unless the client does not read: answers must not pile up.
    private void readOn(ChannelHandlerContext ctx) {
        if (!read || !written || ctx.isRemoved() || !ctx.channel().isWritable()) {
            return;
        }
        read = false;
        written = false;
        ahead.resize(0);
        forgetHead();
        if (paused) {
            paused = false;
            ctx.channel().config().setAutoRead(true);
        }
        if (actualReadableBytes() > 0) {
            try {
                // An empty buffer makes the codec decode what has waited.
                channelRead(ctx, Unpooled.EMPTY_BUFFER);
                channelReadComplete(ctx);
            } catch (Exception e) {
                ctx.fireExceptionCaught(e);
            }
        }
    }

    @Override
    public void channelReadComplete(ChannelHandlerContext ctx) throws Exception {
        if (paused) {
            // The codec would ask for more bytes, because it has decoded nothing.
            ctx.fireChannelReadComplete();
        } else {
            super.channelReadComplete(ctx);
        }
    }

    @Override
    public void channelWritabilityChanged(ChannelHandlerContext ctx) throws Exception {
        readOn(ctx);
        super.channelWritabilityChanged(ctx);
    }

    @Override
    protected void handlerRemoved0(ChannelHandlerContext ctx) throws Exception {
        super.handlerRemoved0(ctx);
        ahead.close();
        head.close();
        // It is gone already if the whole pipeline is being removed.
        if (ctx.pipeline().context(answers) != null) {
            ctx.pipeline().remove(answers);
        }
    }

    @Override
    protected HttpMessage createMessage(String[] initialLine) {
        var version = initialLine[2];
        if (!version.equals(HttpVersion.HTTP_1_1.text()) && !version.equals(HttpVersion.HTTP_1_0.text())) {
            throw new IllegalArgumentException("this version of HTTP is not served");
        }
        return super.createMessage(new String[] {initialLine[0], escaped(initialLine[1]), version});
    }

    private static String escaped(String target) {
        StringBuilder escaped = null;
        var written = 0;
        for (var i = 0; i < target.length(); i++) {
            var character = target.charAt(i);
            if (NOT_IN_URIS.indexOf(character) >= 0) {
                escaped = escaped == null ? new StringBuilder(target.length() + 16) : escaped;
                escaped.append(target, written, i)
                        .append('%')
                        .append(HexFormat.of().toHexDigits((byte) character));
                written = i + 1;
            }
        }
        return escaped == null
                ? target
                : escaped.append(target, written, target.length()).toString();
    }

    /// Called when all headers of a message are there, and before the codec looks for the end of its body.
    @Override
    protected boolean isContentAlwaysEmpty(HttpMessage message) {
        HeaderLists.normalize(message.headers());
        return super.isContentAlwaysEmpty(message);
    }

    @Override
    protected void handleTransferEncodingChunkedWithContentLength(HttpMessage message) {}

    /// Watches for the end of each answer.
    private final class Answers extends ChannelOutboundHandlerAdapter {
        // The answer that is being written ends with the connection (RFC 9112, 6.3).
        private boolean endsByClose;

        @Override
        public void write(ChannelHandlerContext ctx, Object msg, ChannelPromise promise) {
            if (msg instanceof HttpResponse response && hasUnknownEnd(response)) {
                endsByClose = true;
                // Vert.x may have promised to keep the connection, for which the client would wait.
                response.headers().set(HttpHeaderNames.CONNECTION, HttpHeaderValues.CLOSE);
            }
            var ends = msg instanceof LastHttpContent && !isInformational(msg);
            if (ends && endsByClose) {
                endsByClose = false;
                ctx.write(msg, promise.unvoid().addListener(ChannelFutureListener.CLOSE));
                // What the client has sent ahead stays unanswered.
                return;
            }
            ctx.write(msg, promise);
            var decoder = ends ? ctx.pipeline().context(StrictRequestDecoder.class) : null;
            if (decoder != null) {
                answered(decoder);
            }
        }

        /// Whether nothing in its head says where its body ends.
        private static boolean hasUnknownEnd(HttpResponse response) {
            var status = response.status().code();
            return !(response instanceof LastHttpContent)
                    && !isInformational(response)
                    && status != HttpResponseStatus.NO_CONTENT.code()
                    && status != HttpResponseStatus.NOT_MODIFIED.code()
                    && !HttpUtil.isContentLengthSet(response)
                    && !HttpUtil.isTransferEncodingChunked(response);
        }

        private static boolean isInformational(Object msg) {
            return msg instanceof HttpResponse response
                    && response.status().codeClass() == HttpStatusClass.INFORMATIONAL;
        }

        /// Half of an answer whose end is the end of the connection must not look complete: a reset tells the client.
        @Override
        public void close(ChannelHandlerContext ctx, ChannelPromise promise) {
            if (endsByClose) {
                ctx.channel().config().setOption(ChannelOption.SO_LINGER, 0);
            }
            ctx.close(promise);
        }
    }
}
