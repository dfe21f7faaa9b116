//! Servers with a task for each connection: tokio, and async-io with async-executor, of which smol
//! consists.

use std::io;

use crate::server::{ANY_PORT, Job, announce};

pub fn tokio(job: Job) -> io::Result<()> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    async fn serve(mut stream: TcpStream, job: Job) -> io::Result<()> {
        if job == Job::Close {
            return Ok(());
        }
        stream.set_nodelay(true)?;
        let (mut buffer, mut received) = (job.buffer(), 0);
        loop {
            let count = stream.read(&mut buffer).await?;
            if count == 0 {
                return Ok(());
            }
            stream.write_all(job.answer(&buffer[..count], &mut received)).await?;
        }
    }

    tokio::runtime::Builder::new_current_thread().enable_io().build()?.block_on(async {
        let listener = TcpListener::bind(ANY_PORT).await?;
        announce(listener.local_addr()?);
        loop {
            tokio::spawn(serve(listener.accept().await?.0, job));
        }
    })
}

pub fn smol(job: Job) -> io::Result<()> {
    use std::net::{TcpListener, TcpStream};

    use async_executor::LocalExecutor;
    use async_io::Async;
    use futures_lite::{AsyncReadExt, AsyncWriteExt};

    async fn serve(mut stream: Async<TcpStream>, job: Job) -> io::Result<()> {
        if job == Job::Close {
            return Ok(());
        }
        stream.get_ref().set_nodelay(true)?;
        let (mut buffer, mut received) = (job.buffer(), 0);
        loop {
            let count = stream.read(&mut buffer).await?;
            if count == 0 {
                return Ok(());
            }
            stream.write_all(job.answer(&buffer[..count], &mut received)).await?;
        }
    }

    let executor = LocalExecutor::new();
    async_io::block_on(executor.run(async {
        let listener = Async::<TcpListener>::bind(([127, 0, 0, 1], 0))?;
        announce(listener.get_ref().local_addr()?);
        loop {
            executor.spawn(serve(listener.accept().await?.0, job)).detach();
        }
    }))
}
